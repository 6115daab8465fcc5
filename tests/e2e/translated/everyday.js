// SPDX-License-Identifier: Apache-2.0
// everyday.js - what Node programs do: a loop that gets compiled, promises, HTTP, workers, processes.
const crypto = require("crypto");
const http = require("http");
const { execFileSync } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

function hot(n) {
	let x = 1;
	const a = new Float64Array(64);
	for (let i = 0; i < n; i++) {
		a[i & 63] += Math.sqrt(i) * 0.5;
		x = (Math.imul(x, 1103515245) + 12345 + (a[i & 63] | 0)) | 0;
	}
	return x;
}

function worker(n) {
	return new Promise((resolve, reject) => {
		const w = new Worker(__filename, { workerData: n });
		w.on("message", resolve);
		w.on("error", reject);
	});
}

async function fetched() {
	const server = http.createServer((request, response) => {
		const parts = [];
		request.on("data", (d) => parts.push(d));
		request.on("end", () => response.end(request.url + Buffer.concat(parts).length));
	});
	await new Promise((done) => server.listen(0, "127.0.0.1", done));
	const text = await new Promise((resolve, reject) => {
		const request = http.request({ port: server.address().port, host: "127.0.0.1", path: "/p",
			method: "POST" }, (response) => {
			let body = "";
			response.on("data", (d) => (body += d));
			response.on("end", () => resolve(body));
		});
		request.on("error", reject);
		request.end(Buffer.alloc(100000));
	});
	server.close();
	return text;
}

async function main() {
	console.log("arch", process.arch);
	console.log("hot", hot(3000000));
	console.log("sha", crypto.createHash("sha256").update("x".repeat(100000)).digest("hex"));
	console.log("big", (3n ** 500n % 1000000007n).toString());
	console.log("regexp", "a1b22c333".replace(/(\d+)/g, (m) => `<${m.length}>`));
	console.log("http", await fetched());
	console.log("workers", (await Promise.all([1, 2, 3].map(worker))).join(","));
	console.log("child", execFileSync("sh", ["-c", "echo $((6 * 7))"]).toString().trim());
	console.log("json", JSON.stringify(JSON.parse('{"a":[1,2.5e-7,"\\u00e9"]}')));
}

if (isMainThread)
	main();
else
	parentPort.postMessage(hot(100000 * workerData));
