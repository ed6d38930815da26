/** Webhooks and Slack against a real server: signatures, what is said, failures that pass, and places that are not called. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { RequestListener } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import type { DeliveryView } from "@holdfast/protocol";
import { openDatabase } from "../src/database/open-database.ts";
import { ATTEMPTS_MAX, deliverDue, pauseAfter } from "../src/notifications/deliveries.ts";
import { listDeliveries } from "../src/notifications/delivery-list.ts";
import { setSettings } from "../src/notifications/settings.ts";
import { testChannel } from "../src/notifications/test-channel.ts";
import { type NotificationFixture, notifications } from "./notifications-fixture.ts";
import { startWebServer, type TestWebServer, testAuthority } from "./tls-fixture.ts";

const KEY = "key of the signature";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

interface Received {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Scene extends AsyncDisposable {
  readonly fixture: NotificationFixture;
  readonly server: TestWebServer;
  readonly received: readonly Received[];
  readonly url: string;
  /** Answers of the server, one after the other; 200 afterwards. */
  readonly answers: RequestListener[];
  readonly deliveries: () => Promise<DeliveryView[]>;
}

async function scene(): Promise<Scene> {
  const authority = await testAuthority();
  const received: Received[] = [];
  const answers: RequestListener[] = [];
  const server = await startWebServer(await authority.issue(["hooks.example"]), (request, response) => {
    const answer = async (): Promise<void> => {
      received.push({ url: request.url ?? "", headers: request.headers, body: await textOf(request) });
      const next = answers.shift();
      if (next === undefined) response.end("ok");
      else next(request, response);
    };
    answer().catch(() => response.destroy());
  });
  const fixture = await notifications(
    await openDatabase(":memory:"),
    { networks: ["127.0.0.1"], authorities: authority.certificate },
    async () => ["127.0.0.1"],
  );
  return {
    fixture,
    server,
    received,
    answers,
    url: `https://hooks.example:${String(server.port)}`,
    deliveries: async () => (await listDeliveries(fixture.database.db, { limit: 50 })).items,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

const status =
  (code: number): RequestListener =>
  (_, response) => {
    response.writeHead(code).end();
  };

suite("a webhook", () => {
  test("gets what happened, signed with the secret of the channel", async () => {
    await using current = await scene();
    const { fixture, received, url } = current;
    const secret = await fixture.addSecret("password", KEY);
    await fixture.addChannel({ kind: "webhook", url: `${url}/hook?a=b`, secret });
    const publicUrl = "https://backup.example/";
    const settings = { publicUrl, silentHours: 24, freeGibibytes: 20, expiryDays: 14 };
    await setSettings(fixture, fixture.actor, settings, 0);
    const task = newId("task");
    const details = {
      plan: { id: newId("plan"), name: 'night "<ly>"' },
      device: { id: newId("dev"), name: "web-1" },
      task,
      error: { code: "ERR_STORAGE_FULL", message: "It is full.", remedy: "Make room." },
    };
    assert(await fixture.happen("backup.failed", details));
    assert.equal(await deliverDue(fixture), 1);
    assert.equal(await deliverDue(fixture), 0);
    const [request] = received;
    assert(request !== undefined && received.length === 1);
    assert.equal(request.url, "/hook?a=b");
    const { body, headers } = request;
    const timestamp = String(headers["holdfast-timestamp"]);
    assert.equal(Number(timestamp), Math.floor(fixture.clock.now() / 1000));
    const mac = createHmac("sha256", KEY).update(`${timestamp}.${body}`).digest("hex");
    assert.equal(headers["holdfast-signature"], `v1=${mac}`);
    const said = JSON.parse(body);
    assert.equal(headers["holdfast-delivery"], said.id);
    assert.equal(said.kind, "backup.failed");
    assert.deepEqual(
      [said.plan, said.device, said.task, said.error],
      [details.plan, details.device, task, details.error],
    );
    assert.equal(said.link, `https://backup.example/tasks/${task}`);
    assert.match(said.text, /What to do: Make room\./u);
    assert(!body.includes(KEY));
    const [delivery] = await current.deliveries();
    assert.equal(delivery?.state, "delivered");
    assert.equal(delivery.task, task);
    assert.equal(delivery.nextAt, null);
  });

  test("that fails is tried again with growing pauses, under the same id, and given up after a day", async () => {
    await using current = await scene();
    const { fixture, received, answers, url } = current;
    const secret = await fixture.addSecret("password", KEY);
    await fixture.addChannel({ kind: "webhook", url, secret });
    await fixture.happen("backup.failed");
    answers.push(status(500), (request) => request.socket.destroy());
    assert.equal(await deliverDue(fixture), 1);
    const [failed] = await current.deliveries();
    assert.equal(failed?.state, "waiting");
    assert.equal(failed.attempts, 1);
    assert.equal(failed.error?.code, "ERR_DELIVERY_REFUSED");
    assert.match(failed.error.message, /500/u);
    assert.equal(failed.nextAt, fixture.clock.now() + pauseAfter(1));
    assert.equal(await deliverDue(fixture), 0);
    fixture.clock.move(pauseAfter(1));
    assert.equal(await deliverDue(fixture), 1);
    assert.equal((await current.deliveries())[0]?.error?.code, "ERR_OUTBOUND_FAILED");
    assert(pauseAfter(2) > pauseAfter(1));
    fixture.clock.move(pauseAfter(2));
    assert.equal(await deliverDue(fixture), 1);
    const [delivered] = await current.deliveries();
    assert.deepEqual([delivered?.state, delivered?.attempts, delivered?.error], ["delivered", 3, null]);
    assert.equal(new Set(received.map(({ headers }) => headers["holdfast-delivery"])).size, 1);

    await fixture.happen("backup.failed");
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      answers.push(status(503));
      assert.equal(await deliverDue(fixture), 1);
      fixture.clock.move(pauseAfter(attempt));
    }
    assert.equal((await current.deliveries())[0]?.state, "failed");
    assert.equal(await deliverDue(fixture), 0);
  });

  test("that points elsewhere is not followed, and the place is never called", async () => {
    await using current = await scene();
    const { fixture, answers, server, url } = current;
    const secret = await fixture.addSecret("password", KEY);
    const { id } = await fixture.addChannel({ kind: "webhook", url: `${url}/hook`, secret });
    for (const location of ["http://169.254.169.254/latest/meta-data/", `${url}/inner`]) {
      answers.push((_, response) => response.writeHead(307, { location }).end());
      await assert.rejects(testChannel(fixture, fixture.actor, id), hasCode("ERR_OUTBOUND_REFUSED"));
    }
    assert.deepEqual(
      server.requests.map((request) => request.url),
      ["/hook", "/hook"],
    );
  });

  test("whose name means another address by the time of sending is not called", async () => {
    await using current = await scene();
    const { server, url } = current;
    let address = "127.0.0.1";
    await using moving = await notifications(
      await openDatabase(":memory:"),
      { networks: ["127.0.0.2"] },
      async () => [address],
    );
    const own = await moving.addSecret("password", KEY);
    await moving.addChannel({ kind: "webhook", url, secret: own });
    for (address of ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "10.0.0.1"]) {
      await moving.happen("backup.failed");
      await deliverDue(moving);
      const [newest] = (await listDeliveries(moving.database.db, { limit: 1 })).items;
      assert.equal(newest?.error?.code, "ERR_OUTBOUND_REFUSED", address);
    }
    assert.equal(server.requests.length, 0);
  });

  test("is not called with a secret that was disabled, and says so", async () => {
    await using current = await scene();
    const { fixture, received, url } = current;
    const secret = await fixture.addSecret("password", KEY);
    const { id } = await fixture.addChannel({ kind: "webhook", url, secret });
    await fixture.database.db.updateTable("secrets").set({ disabled: 1 }).execute();
    await assert.rejects(testChannel(fixture, fixture.actor, id), hasCode("ERR_SECRET_DISABLED"));
    assert.equal(received.length, 0);
    assert.equal(fixture.audited.at(-1)?.action, "channel.test");
  });
});

suite("Slack", () => {
  test("gets a text in which names are only names, at an address that nobody reads", async () => {
    await using current = await scene();
    const { fixture, received, answers, url } = current;
    const secret = await fixture.addSecret("password", `${url}/services/T0/B0/hidden-path`);
    const { id } = await fixture.addChannel({ kind: "slack", secret });
    const name = "<!channel> & *bold* <https://evil.example|click>";
    await fixture.happen("backup.failed", { plan: { id: newId("plan"), name } });
    answers.push(status(500));
    await deliverDue(fixture);
    fixture.clock.move(pauseAfter(1));
    await deliverDue(fixture);
    assert.deepEqual(
      received.map((request) => request.url),
      ["/services/T0/B0/hidden-path", "/services/T0/B0/hidden-path"],
    );
    const said: { text: string } = JSON.parse(received[1]?.body ?? "");
    assert(!said.text.includes("<!channel>") && !said.text.includes("<https://evil"));
    assert.match(said.text, /&lt;!channel&gt; &amp;/u);
    answers.push(status(404));
    await assert.rejects(testChannel(fixture, fixture.actor, id), (error) => {
      assert(isAppError(error, "ERR_DELIVERY_REFUSED"));
      return !`${error.message} ${error.subject ?? ""}`.includes("hidden-path");
    });
    const stored = JSON.stringify([
      await current.deliveries(),
      await fixture.database.db.selectFrom("notification_channels").selectAll().execute(),
      await fixture.database.db.selectFrom("notification_deliveries").selectAll().execute(),
    ]);
    assert(!stored.includes("hidden-path"));
  });

  test("whose secret is no address says so without showing it", async () => {
    await using current = await scene();
    const { fixture } = current;
    for (const value of ["hidden words", "file:///hidden/passwd", "https://hidden:words@hooks.example/"]) {
      const { id } = await fixture.addChannel({
        kind: "slack",
        secret: await fixture.addSecret("password", value),
      });
      await assert.rejects(testChannel(fixture, fixture.actor, id), (error) => {
        assert(isAppError(error, "ERR_USAGE"));
        return !JSON.stringify([error.message, error.subject, error.remedy]).includes("hidden");
      });
    }
  });
});
