// Node + undici: blocks of the file are split at line ends, 100 IDs a body, so many at once.
// node undici.mjs URL FILE IN_FLIGHT (the first line is a header)
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";

const { Pool } = createRequire(process.env.BENCH_MODULES + "/")("undici");
const [url, file, inFlight] = process.argv.slice(2);
const pool = new Pool(url, { connections: Number(inFlight), pipelining: 1 });
const headers = {
  "content-type": "application/json",
  "x-clevertap-account-id": "BENCH",
  "x-clevertap-passcode": "bench",
};

async function* bodies() {
  let rest = "";
  let first = true;
  let ids = [];
  for await (const block of createReadStream(file, { encoding: "utf8", highWaterMark: 1 << 18 })) {
    const lines = (rest + block).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (first) {
        first = false;
        continue;
      }
      ids.push(line);
      if (ids.length === 100) {
        yield JSON.stringify({ identity: ids });
        ids = [];
      }
    }
  }
  if (rest) ids.push(rest);
  if (ids.length) yield JSON.stringify({ identity: ids });
}

const source = bodies();
async function work() {
  for (;;) {
    const { value, done } = await source.next();
    if (done) return;
    const answer = await pool.request({ path: "/1/delete/profiles.json", method: "POST", headers, body: value });
    const said = await answer.body.json();
    if (answer.statusCode !== 200 || said.status !== "success") throw new Error("refused");
  }
}
await Promise.all(Array.from({ length: Number(inFlight) }, work));
await pool.close();
