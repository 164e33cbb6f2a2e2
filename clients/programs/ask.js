// Asks one of the Node.js clients, unchanged, what it learns of this machine, and prints that as JSON.
//
//     node ask.js NAME
//
// Each function is one client: it calls what the client itself calls, and sets nothing but what its users can set.
"use strict";

const silent = new Proxy({}, { get: () => () => silent });

async function attributes(detector) {
  const found = Object.entries(detector.detect().attributes);
  return Object.fromEntries(await Promise.all(found.map(async ([name, value]) => [name, await value])));
}

const clients = {
  "opentelemetry-azure": () => attributes(require("@opentelemetry/resource-detector-azure").azureVmDetector),

  "opentelemetry-alibaba": () =>
    attributes(require("@opentelemetry/resource-detector-alibaba-cloud").alibabaCloudEcsDetector),

  "elastic-apm": () =>
    new Promise((resolve, reject) => {
      const { CloudMetadata } = require("elastic-apm-node/lib/cloud-metadata");
      new CloudMetadata("azure", silent, "web").getCloudMetadata((error, found) =>
        error ? reject(error) : resolve(found),
      );
    }),

  newrelic: () =>
    new Promise((resolve, reject) => {
      const { EventEmitter } = require("node:events");
      const agent = Object.assign(new EventEmitter(), {
        config: { utilization: { detect_azure: true } },
        metrics: { getOrCreateMetric: () => ({ incrementCallCount() {} }) },
      });
      require("newrelic/lib/utilization/azure-info.js")(agent, (error, found) =>
        error ? reject(error) : resolve(found),
      );
    }),

  "alicloud-credentials": async () => {
    const { default: Client, Config } = require("@alicloud/credentials");
    const found = await new Client(new Config({ type: "ecs_ram_role", disableIMDSv1: true })).getCredential();
    return { id: found.accessKeyId, secret: found.accessKeySecret, token: found.securityToken };
  },
};

clients[process.argv[2]]().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
