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

const ECS_KEY = { accessKeyId: "testid", accessKeySecret: "testsecret" };
const REGION = "cn-hangzhou";

// A simulated restart of the first instance, answered by restarting it: what `ask(operation, parameters)` is told.
async function answeredRestart(ask) {
  const regionId = { RegionId: REGION };
  const {
    Instances: {
      Instance: [instance],
    },
  } = await ask("DescribeInstances", { ...regionId, Status: "Running" });
  const tomorrow = new Date(Date.now() + 86400e3).toISOString().replace(/\.\d+/, "");
  const {
    EventIdSet: {
      EventId: [event],
    },
  } = await ask("CreateSimulatedSystemEvents", {
    ...regionId,
    EventType: "SystemMaintenance.Reboot",
    NotBefore: tomorrow,
    InstanceId: [instance.InstanceId],
  });
  const redeployed = await ask("RedeployInstance", { InstanceId: instance.InstanceId }).catch((error) => error.code);
  await ask("RebootInstance", { InstanceId: instance.InstanceId });
  const history = await ask("DescribeInstanceHistoryEvents", { ...regionId, EventId: [event] });
  const [known] = history.InstanceSystemEventSet.InstanceSystemEventType;
  return {
    id: instance.InstanceId,
    type: instance.InstanceType,
    redeployed,
    event: known.EventCycleStatus.Name,
  };
}

const clients = {
  "opentelemetry-azure": () => attributes(require("@opentelemetry/resource-detector-azure").azureVmDetector),

  "opentelemetry-aws": () => attributes(require("@opentelemetry/resource-detector-aws").awsEc2Detector),

  "opentelemetry-google": () => attributes(require("@opentelemetry/resource-detector-gcp").gcpDetector),

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

  "alicloud-ecs": () => {
    const ecs = require("@alicloud/ecs20140526");
    const beside = { paths: [require.resolve("@alicloud/ecs20140526")] };
    const { $OpenApiUtil } = require(require.resolve("@alicloud/openapi-core", beside));
    const config = { ...ECS_KEY, regionId: REGION, endpoint: "100.100.100.200", protocol: "http" };
    const client = new ecs.default(new $OpenApiUtil.Config(config));
    return answeredRestart(async (operation, given) => {
      const method = operation[0].toLowerCase() + operation.slice(1);
      const told = Object.entries(given).map(([name, value]) => [name[0].toLowerCase() + name.slice(1), value]);
      const { body } = await client[method](new ecs[`${operation}Request`](Object.fromEntries(told)));
      return body.toMap();
    });
  },

  "alicloud-pop-core": () => {
    const { RPCClient } = require("@alicloud/pop-core");
    const client = new RPCClient({ ...ECS_KEY, endpoint: "http://100.100.100.200", apiVersion: "2014-05-26" });
    return answeredRestart((operation, given) => client.request(operation, given, { method: "POST" }));
  },
};

clients[process.argv[2]]().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
