# SPDX-License-Identifier: BSD-2-Clause
# node: objects, buffers, streams of zlib, workers, child processes
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program node
cat > "$tmp/many.js" <<'END'
const { execFileSync, fork } = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib'), fs = require('fs');

function work(n) {
	const m = new Map();
	for (let i = 0; i < 20000; i++) m.set('k' + (i * n), { i, a: [i, n] });
	let s = 0;
	for (const v of m.values()) s += v.a[0] * v.a[1];
	return s;
}
if (!isMainThread) {
	parentPort.postMessage(work(workerData));
} else if (process.argv[2] === 'child') {
	process.send(work(3));
	process.disconnect();
} else {
	(async () => {
		console.log(work(5), JSON.stringify([...Array(50000).keys()]).length);
		const b = Buffer.alloc(8 << 20, 'abcdefg');
		const z = zlib.deflateSync(b);
		console.log(zlib.inflateSync(z).equals(b), crypto.createHash('sha256').update(b).digest('hex'));
		const packed = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => new Promise((ok, no) =>
			zlib.gzip(b.subarray(0, n << 20), (e, d) => e ? no(e) : ok(zlib.gunzipSync(d).length)))));
		console.log(packed.join());
		console.log((await Promise.all([1, 2, 3, 4].map((n) => new Promise((ok, no) => {
			const w = new Worker(__filename, { workerData: n });
			w.on('message', ok); w.on('error', no);
		})))).join());
		console.log(await new Promise((ok) => fork(__filename, ['child']).on('message', ok)));
		console.log(execFileSync('sh', ['-c', 'echo from sh']).toString());
		await fs.promises.writeFile('f', b);
		console.log((await fs.promises.readFile('f')).length);
		process.exit(6);
	})();
}
END
same -s 6 "a script" node "$tmp/many.js"
same -s 1 "an exception" sh -c 'node -e "throw new Error(\"no\")" 2>&1 | grep -v "^Node" ; exit 1'
