// SPDX-License-Identifier: BSD-2-Clause
// sdk.mjs URL - the official CloudEvents SDK as a client of rmmap function
import assert from 'node:assert/strict';
import net from 'node:net';
import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from 'cloudevents';

const url = process.argv[2];
const { port } = new URL(url);

async function send(message) {
	const response = await fetch(url, {
		method: 'POST', headers: message.headers, body: message.body ?? '',
	});
	const body = Buffer.from(await response.arrayBuffer());
	return { status: response.status, headers: Object.fromEntries(response.headers), body };
}

// What the SDK makes of an answer.
function read(answer) {
	assert.equal(answer.status, 200, answer.body.toString());
	return HTTP.toEvent({ headers: answer.headers, body: answer.body.toString() });
}

const make = (type, more = {}) => new CloudEvent({ source: '/sdk', type, ...more });
const modes = [HTTP.binary, HTTP.structured];

for (const write of modes) {
	// payloads: text, JSON
	let event = read(await send(write(make('echo', { data: 'a text', datacontenttype: 'text/plain' }))));
	assert.equal(event.data, 'a text');
	assert.equal(event.specversion, '1.0');
	assert.equal(event.type, 'rmmap.published');
	assert.ok(event.id && event.source && event.time && event.validate());
	event = read(await send(write(make('echo', { data: { a: [1, 'é', null] }, datacontenttype: 'application/json' }))));
	assert.deepEqual(event.data, { a: [1, 'é', null] });

	// extensions and subject
	event = read(await send(write(make('show', { subject: 'a b', count: 7, flag: true,
		dataschema: 'http://example.org/schema', datacontenttype: 'text/plain', data: 'x' }))));
	for (const line of ['type=show', 'source=/sdk', 'subject=a b', 'count=7', 'flag=true',
		'dataschema=http://example.org/schema', 'data 1 x'])
		assert.ok(event.data.split('\n').includes(line), `${line} in ${event.data}`);

	// a root from event to event
	const first = read(await send(write(make('list', { data: 'one two', datacontenttype: 'text/plain' }))));
	assert.match(first.dataref, /^rmmap1:[A-Za-z0-9_-]+$/);
	const bad = await send(write(make('show', { dataref: first.dataref.slice(0, 40) + '_' + first.dataref.slice(41) })));
	assert.equal(bad.status, 400);

	// what is no event
	for (const wrong of [{ specversion: '0.3' }, { source: '' }, { type: '' }, { dataref: 'no handle' }]) {
		const strict = make('echo').toJSON();
		const answer = await send(write(new CloudEvent({ ...strict, ...wrong }, false)));
		assert.equal(answer.status, 400, JSON.stringify(wrong));
		assert.ok(answer.body.length > 10);
	}
	assert.equal((await send(write(make('none')))).status, 204);
	assert.equal((await send(write(make('fail', { data: 'why', datacontenttype: 'text/plain' })))).status, 500);
	const big = 'x'.repeat(2 << 20);
	assert.equal((await send(write(make('echo', { data: big, datacontenttype: 'text/plain' })))).status, 413);
}

// the SDK's own batch, and its own way to send
const batch = await send({ headers: { 'content-type': 'application/cloudevents-batch+json' },
	body: JSON.stringify([make('echo')]) });
assert.equal(batch.status, 415);
for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
	const emit = emitterFor(httpTransport(url), { mode });
	const got = await emit(make('echo', { data: 'emitted', datacontenttype: 'text/plain' }));
	assert.equal(HTTP.toEvent({ headers: got.headers, body: got.body }).data, 'emitted');
}

// slow clients, while 100 are served
const slow = Array.from({ length: 50 }, () => new Promise((done) => {
	const socket = net.connect(port, '127.0.0.1', () =>
		socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc'));
	socket.on('error', () => {}).on('close', done);
}));
const many = await Promise.all(Array.from({ length: 100 }, (_, i) =>
	send(modes[i % 2](make('echo', { data: `number ${i}`, datacontenttype: 'text/plain' })))));
many.forEach((answer, i) => assert.equal(read(answer).data, `number ${i}`));
await Promise.all(slow);
console.log('ok');
process.exit(0);
