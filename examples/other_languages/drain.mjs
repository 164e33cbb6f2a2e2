// Drains this machine before its maintenance and lets the maintenance begin. One look; call it again every second.
const HEADERS = { Metadata: "true" };

async function ask(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: HEADERS, redirect: "error", signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}: what is scheduled is unknown`);
  return answer;
}

export async function look(base, drain) {
  const name = await (await ask(`${base}/metadata/instance/compute/name?api-version=2021-02-01&format=text`)).text();
  const address = `${base}/metadata/scheduledevents?api-version=2020-07-01`;
  const { Events: events } = await (await ask(address)).json();
  for (const event of events) {
    if (event.EventStatus !== "Scheduled" || !event.Resources.includes(name)) continue;
    await drain(event);
    await ask(address, { method: "POST", body: JSON.stringify({ StartRequests: [{ EventId: event.EventId }] }) });
  }
}
