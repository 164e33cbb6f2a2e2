// Tests drain.mjs against a simulator: node --test
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { look } from "./drain.mjs";

let simulator, url;

before(async () => {
  const machines = ["--machine", "db-0", "--machine", "db-1"];
  simulator = spawn("stormcone", ["simulator", "azure", "--port", "0", "--json", ...machines]);
  const [ready] = await once(createInterface({ input: simulator.stdout }), "line");
  url = JSON.parse(ready).url;
});

after(async () => {
  simulator.kill();
  await once(simulator, "exit");
});

async function control(path, body) {
  const answer = await fetch(`${url}/_simulator/${path}`, body && { method: "POST", body: JSON.stringify(body) });
  return answer.json();
}

test("drains before a reboot, and lets it begin", async () => {
  const drained = [];
  await look(url, async (event) => drained.push(event.EventId));
  assert.deepEqual(drained, []);
  const { id } = await control("events", { impact: "reboot", resources: ["db-0"], notice_seconds: 900 });
  await look(url, async (event) => drained.push(event.EventId));
  assert.deepEqual(drained, [id]);
  assert.equal((await control("events")).events[0].phase, "started");
});

test("does not take a service that fails for one without maintenance", async () => {
  await control("faults", { status: 503, times: 1 });
  await assert.rejects(look(url, async () => {}), /unknown/);
});
