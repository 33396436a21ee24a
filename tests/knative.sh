#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# examples/knative: every manifest is YAML of known kinds, and what they refer to is there.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
requires python3 -c 'import yaml'
cat >"$tmp/check.py" <<'EOP'
import sys, yaml
kinds = {'Service': 'serving.knative.dev/v1', 'Sequence': 'flows.knative.dev/v1',
         'Parallel': 'flows.knative.dev/v1', 'InMemoryChannel': 'messaging.knative.dev/v1'}
objects = [o for f in sys.argv[1:] for o in yaml.safe_load_all(open(f)) if o]
names = {(o['kind'], o['metadata']['name']) for o in objects}
assert {k for k, _ in names} == {'Service', 'Sequence', 'Parallel'} and len(names) == len(objects)
def walk(o):
    if isinstance(o, dict):
        if 'apiVersion' in o:
            assert kinds[o['kind']] == o['apiVersion'], o
        if 'ref' in o:
            assert (o['ref']['kind'], o['ref']['name']) in names, o['ref']
        for v in o.values():
            walk(v)
    elif isinstance(o, list):
        for v in o:
            walk(v)
for o in objects:
    walk(o)
    if o['kind'] == 'Service':
        pod = o['spec']['template']['spec']
        volumes = {v['name'] for v in pod['volumes']}
        assert len(pod['containers']) == 2 and pod['shareProcessNamespace'] is True
        for c in pod['containers']:
            env = {e['name']: e['value'] for e in c['env']}
            assert env['RMMAP_RUNDIR'].startswith(c['volumeMounts'][0]['mountPath'] + '/')
            assert c['volumeMounts'][0]['name'] in volumes
        assert sum('ports' in c for c in pod['containers']) == 1
print(len(objects), 'manifests')
EOP
python3 "$tmp/check.py" "$abs_top_srcdir"/examples/knative/*.yaml || fail "manifests"
