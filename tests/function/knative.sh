#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# examples/knative: every manifest is YAML of known kinds, and what they refer to is there:
# services, the image's files, and the sources that the Containerfile makes them of.
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
            assert c['command'][0] in ('rmmap', '/usr/libexec/rmmapd')
            assert env['RMMAP_RUNDIR'].startswith(c['volumeMounts'][0]['mountPath'] + '/')
            assert c['volumeMounts'][0]['name'] in volumes
        assert sum('ports' in c for c in pod['containers']) == 1
        command = pod['containers'][0]['command']
        print(command[command.index('--handler') + 1])
EOP
python3 "$tmp/check.py" "$abs_top_srcdir"/examples/knative/*.yaml >"$tmp/handlers" || fail "manifests"

# The Containerfile's own command makes the handlers, here of the sources that are here.
container=$abs_top_srcdir/examples/knative/Containerfile
sed -n 's/.*"--handler", "\([^"]*\)".*/\1/p' "$container" >>"$tmp/handlers"
mkdir -p "$tmp/root/usr/lib"
awk '/^RUN / { on = /mkdir .*rmmap / ; sub(/^RUN /, "") } /^$/ { on = 0 } on' "$container" |
	sed "s|/usr/lib/rmmap|$tmp/root&|g; s|/src/|$abs_top_srcdir/|g" >"$tmp/make"
grep -q 'shared' "$tmp/make" || fail "the Containerfile makes no handler"
requires cc --version
sh -e "$tmp/make" || fail "the Containerfile's command makes no handlers"
while read -r handler; do
	nm -D "$tmp/root$handler" | grep -q ' T rmmap_function$' || fail "$handler is no handler of the image"
done <"$tmp/handlers"
[ "$(sort -u "$tmp/handlers" | wc -l)" -eq 3 ] || fail "not the three handlers: $(cat "$tmp/handlers")"
