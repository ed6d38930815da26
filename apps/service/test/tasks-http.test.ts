/** Devices and tasks over HTTP: rights, If-Match, pages, codes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { enroll } from "../src/devices/enrolment.ts";
import { type Authority, openAuthority } from "../src/authority/authority.ts";
import { deviceRoutes } from "../src/devices/routes.ts";
import type { AllRoutes } from "./http-fixture.ts";
import { startTestServer } from "./http-fixture.ts";
import { parseEnrolmentCode } from "@holdfast/protocol";
import { taskRoutes } from "../src/tasks/routes.ts";
import { createTaskQueue } from "../src/tasks/task-queue.ts";
import { outboundOf } from "../src/outbound/outbound.ts";
import { userRoutes } from "../src/users/routes.ts";
import { forEachDatabase } from "./databases.ts";
import { scriptedKinds } from "./device-fixture.ts";
import { newAgentKeys, PLATFORM } from "./scripted-agent.ts";

/** By server: the routes get the vault that opens it. */
const authorities = new WeakMap<object, Authority>();

const allRoutes: AllRoutes = async (parts) => {
  const authority = await openAuthority(parts);
  authorities.set(parts.database, authority);
  const kinds = scriptedKinds();
  const domains = {
    ...parts,
    authority,
    kinds,
    queue: createTaskQueue({ ...parts, kinds }),
    outbound: outboundOf(parts.database),
  };
  return [...userRoutes(domains), ...deviceRoutes(domains), ...taskRoutes(domains)];
};

type Server = Awaited<ReturnType<typeof startTestServer>>;

/** A device, by a code that an administrator asked for over HTTP. */
async function addDevice(server: Server, token: string): Promise<string> {
  const asked = await server.send("POST", "/devices/enrolment-codes", { as: token, body: { note: "web" } });
  assert.equal(asked.status, 201);
  assert.equal(asked.body.expiresAt, server.clock.now() + 15 * 60_000);
  const { secret } = parseEnrolmentCode(asked.body.code);
  const authority = authorities.get(server.users.database);
  assert(authority !== undefined);
  const { device } = await enroll(
    { ...server.users, authority },
    {
      secret: secret.toString("base64"),
      certificateRequest: (await newAgentKeys()).request,
      name: "web-1",
      platform: PLATFORM,
    },
  );
  return device;
}

async function addTask(
  server: Server,
  deviceId: string,
  kind: "backup" | "restore" = "backup",
): Promise<string> {
  const queue = createTaskQueue({ ...server.users, kinds: scriptedKinds() });
  const task = { kind, deviceId, input: { copies: [] }, createdBy: "" };
  return server.users.database.transaction((transaction) => queue.create(transaction, task));
}

forEachDatabase("devices and tasks over HTTP", (open) => {
  test("devices are listed, changed with If-Match and removed by who may", async () => {
    await using server = await startTestServer(await open(), allRoutes);
    const ada = (await server.person("Ada", "administrator")).token;
    const viewer = (await server.person("Vera", "viewer")).token;
    const forbidden = await server.send("POST", "/devices/enrolment-codes", { as: viewer, body: {} });
    assert.deepEqual([forbidden.status, forbidden.body.code], [403, "ERR_FORBIDDEN"]);
    const id = await addDevice(server, ada);
    const shown = await server.send("GET", `/devices/${id}`, { as: viewer });
    assert.deepEqual(
      [shown.status, shown.headers.etag, shown.body.name, shown.body.online, shown.body.plans],
      [200, '"1"', "web-1", false, 0],
    );
    assert(!JSON.stringify(shown.body).includes("serial"));
    const listed = await server.send("GET", "/devices?worker=false&name=WEB", { as: viewer });
    assert.deepEqual(
      listed.body.items.map((device: { id: string }) => device.id),
      [id],
    );
    const patch = (token: string, body: object, revision?: number) =>
      server.send("PATCH", `/devices/${id}`, {
        as: token,
        body,
        headers: revision === undefined ? {} : { "if-match": `"${String(revision)}"` },
      });
    assert.equal((await patch(ada, { name: "x" })).body.code, "ERR_REVISION_NEEDED");
    assert.equal((await patch(viewer, { name: "x" }, 1)).status, 403);
    assert.equal((await patch(ada, { name: "desk", worker: true }, 1)).body.revision, 2);
    assert.equal((await patch(ada, { name: "late" }, 1)).body.code, "ERR_CHANGED_MEANWHILE");
    assert.equal((await patch(ada, { disabled: true }, 2)).body.disabled, true);
    assert.equal((await server.send("DELETE", `/devices/${id}`, { as: ada })).status, 204);
    assert.equal((await server.send("GET", `/devices/${id}`, { as: viewer })).status, 404);
  });

  test("tasks are listed, cancelled and tried again by who may", async () => {
    await using server = await startTestServer(await open(), allRoutes);
    const ada = (await server.person("Ada", "administrator")).token;
    const operator = (await server.person("Bob", "backup-operator")).token;
    const viewer = (await server.person("Vera", "viewer")).token;
    const device = await addDevice(server, ada);
    const id = await addTask(server, device);
    const restore = await addTask(server, device, "restore");
    const listed = await server.send("GET", `/tasks?state=queued,running&device=${device}&limit=1`, {
      as: viewer,
    });
    assert.equal(listed.body.items.length, 1);
    const rest = await server.send("GET", `/tasks?limit=1&cursor=${listed.body.next}`, { as: viewer });
    assert.deepEqual(new Set([listed.body.items[0].id, rest.body.items[0].id]), new Set([id, restore]));
    assert.equal((await server.send("GET", "/tasks?state=lost", { as: viewer })).status, 422);
    const events = await server.send("GET", `/tasks/${id}/events`, { as: viewer });
    assert.deepEqual(events.body, { items: [] });
    const post = (token: string, path: string) => server.send("POST", path, { as: token });
    assert.equal((await post(viewer, `/tasks/${id}/cancel`)).status, 403);
    const cancelled = await post(operator, `/tasks/${id}/cancel`);
    assert.deepEqual(
      [cancelled.body.state, cancelled.body.error.message],
      ["cancelled", "Cancelled by Bob."],
    );
    assert.equal((await post(operator, `/tasks/${id}/cancel`)).body.code, "ERR_TASK_STATE");
    await post(operator, `/tasks/${restore}/cancel`);
    // What a role may not start it cannot start by trying again.
    assert.equal((await post(operator, `/tasks/${restore}/retry`)).body.code, "ERR_FORBIDDEN");
    assert.equal((await post(viewer, `/tasks/${id}/retry`)).body.code, "ERR_FORBIDDEN");
    const again = await post(operator, `/tasks/${id}/retry`);
    assert.equal(again.status, 201);
    const shown = await server.send("GET", `/tasks/${again.body.task}`, { as: viewer });
    assert.deepEqual([shown.body.state, shown.body.input], ["queued", { copies: [] }]);
  });
});
