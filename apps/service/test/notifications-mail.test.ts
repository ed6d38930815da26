/** Mail against a real SMTP server: TLS or nothing, what it says, refusals, and a server that comes back. */
import assert from "node:assert/strict";
import { text as textOf } from "node:stream/consumers";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import type { ChannelSettings } from "@holdfast/protocol";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { openDatabase } from "../src/database/open-database.ts";
import { changeChannel } from "../src/notifications/channels.ts";
import { deliverDue, pauseAfter } from "../src/notifications/deliveries.ts";
import { listDeliveries } from "../src/notifications/delivery-list.ts";
import { createChannelProposalTest } from "../src/notifications/proposed-secret.ts";
import { testChannel } from "../src/notifications/test-channel.ts";
import { type NotificationFixture, notifications } from "./notifications-fixture.ts";
import { portOf, type TestAuthority, testAuthority } from "./tls-fixture.ts";

const PASSWORD = "mail pass wörd";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

interface MailServer extends AsyncDisposable {
  readonly port: number;
  readonly mails: readonly {
    readonly secure: boolean;
    readonly to: readonly string[];
    readonly raw: string;
  }[];
  /** Each try to sign in: whether TLS was there. */
  readonly signIns: readonly boolean[];
}

async function startMail(
  authority: TestAuthority,
  options: SMTPServerOptions = {},
  port = 0,
): Promise<MailServer> {
  const mails: { secure: boolean; to: string[]; raw: string }[] = [];
  const signIns: boolean[] = [];
  const server = new SMTPServer({
    ...(await authority.issue(["mail.example"])),
    // A server that would take a password in clear.
    allowInsecureAuth: true,
    authOptional: false,
    onAuth: ({ username, password }, session, callback) => {
      signIns.push(session.secure);
      if (username === "holdfast" && password === PASSWORD) callback(null, { user: username });
      else callback(new Error(`wrong password ${String(password)}`));
    },
    onRcptTo: ({ address }, _, callback) => {
      if (address.startsWith("refused"))
        callback(Object.assign(new Error("no such user"), { responseCode: 550 }));
      else callback();
    },
    onData: (stream, session, callback) => {
      const take = async (): Promise<void> => {
        const raw = await textOf(stream);
        const to = session.envelope.rcptTo.map(({ address }) => address);
        mails.push({ secure: session.secure, to, raw });
        callback();
      };
      take().catch((error: unknown) => server.emit("error", error));
    },
    ...options,
  });
  server.on("error", () => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  const listening = server.listen(port, "127.0.0.1", resolve);
  await promise;
  return {
    port: portOf(listening.address()),
    mails,
    signIns,
    [Symbol.asyncDispose]: () => new Promise((closed) => server.close(closed)),
  };
}

async function open(authority: TestAuthority): Promise<NotificationFixture> {
  return notifications(
    await openDatabase(":memory:"),
    { networks: ["127.0.0.1"], authorities: authority.certificate },
    async () => ["127.0.0.1"],
  );
}

type MailSettings = Extract<ChannelSettings, { kind: "mail" }>;

async function mailTo(
  fixture: NotificationFixture,
  port: number,
  fields: Partial<MailSettings> = {},
  password = PASSWORD,
): Promise<MailSettings> {
  return {
    kind: "mail",
    host: "mail.example",
    port,
    encryption: "starttls",
    user: "holdfast",
    from: "holdfast@company.example",
    to: ["ops@company.example"],
    secret: await fixture.addSecret("password", password),
    ...fields,
  };
}

suite("a mail", () => {
  for (const encryption of ["tls", "starttls"] as const) {
    test(`goes over ${encryption} and names plan, device, error, and what to do`, async () => {
      const authority = await testAuthority();
      await using server = await startMail(authority, { secure: encryption === "tls" });
      await using fixture = await open(authority);
      await fixture.addChannel(await mailTo(fixture, server.port, { encryption }));
      await fixture.happen("backup.failed", {
        plan: { id: newId("plan"), name: "nightly" },
        device: { id: newId("dev"), name: "web-1" },
        task: newId("task"),
        error: { code: "ERR_STORAGE_FULL", message: "The storage is full.", remedy: "Make room there." },
      });
      assert.equal(await deliverDue(fixture), 1);
      const [delivery] = (await listDeliveries(fixture.database.db, { limit: 5 })).items;
      assert.deepEqual([delivery?.state, delivery?.error], ["delivered", null]);
      const [mail] = server.mails;
      assert(mail !== undefined && server.mails.length === 1);
      assert.equal(mail.secure, true);
      assert.deepEqual(server.signIns, [true]);
      for (const said of [
        "nightly on web-1",
        "ERR_STORAGE_FULL",
        "The storage is full.",
        "Make room there.",
      ]) {
        assert(mail.raw.includes(said), said);
      }
      assert.match(mail.raw, /^Content-Type: multipart\/alternative/mu);
      assert.match(mail.raw, /^Content-Type: text\/html/mu);
      assert.match(mail.raw, /^Auto-Submitted: auto-generated/mu);
      assert(!mail.raw.includes(PASSWORD));
    });
  }

  test("says nothing to a server without TLS, or with a certificate for somebody else", async () => {
    const authority = await testAuthority();
    await using bare = await startMail(authority, { disabledCommands: ["STARTTLS"] });
    await using server = await startMail(authority);
    await using fixture = await open(authority);
    await using distrustful = await notifications(
      await openDatabase(":memory:"),
      { networks: ["127.0.0.1"] },
      async () => ["127.0.0.1"],
    );
    const cases = [
      [fixture, await mailTo(fixture, bare.port)],
      [fixture, await mailTo(fixture, server.port, { host: "other.example" })],
      [fixture, await mailTo(fixture, server.port, { encryption: "tls" })],
      [distrustful, await mailTo(distrustful, server.port)],
    ] as const;
    for (const [where, settings] of cases) {
      const { id } = await where.addChannel(settings);
      await assert.rejects(testChannel(where, where.actor, id), isAppError, JSON.stringify(settings));
    }
    for (const { mails, signIns } of [bare, server]) assert.deepEqual([mails, signIns], [[], []]);
  });

  test("with a wrong password fails without repeating it, and goes once it is right", async () => {
    const authority = await testAuthority();
    await using server = await startMail(authority);
    await using fixture = await open(authority);
    const { id } = await fixture.addChannel(await mailTo(fixture, server.port, {}, "not the one"));
    await assert.rejects(testChannel(fixture, fixture.actor, id), (error) => {
      assert(isAppError(error, "ERR_DELIVERY_REFUSED"));
      assert.match(error.message, /user or password/u);
      return !`${error.message} ${String(error.cause)}`.includes("not the one");
    });
    assert.equal(server.signIns.length, 1);
    assert.equal(server.mails.length, 0);
    const settings = await mailTo(fixture, server.port);
    await changeChannel(fixture, fixture.actor, id, { settings }, 1);
    assert.equal(await testChannel(fixture, fixture.actor, id), undefined);
    assert.equal(server.mails.length, 1);
  });

  test("server tries a new password before it replaces the old one, and gets no mail for it", async () => {
    const authority = await testAuthority();
    await using server = await startMail(authority);
    await using fixture = await open(authority);
    const { id, name } = await fixture.addChannel(await mailTo(fixture, server.port));
    const use = { kind: "channel", id, name };
    const proposed = createChannelProposalTest(fixture.database, fixture);
    await proposed.run(use, "", Buffer.from(PASSWORD));
    await assert.rejects(proposed.run(use, "", Buffer.from("wrong one")), hasCode("ERR_DELIVERY_REFUSED"));
    assert.deepEqual([server.signIns, server.mails], [[true, true], []]);
    const place = await proposed.placeOf(fixture.database.db, use);
    const settings = await mailTo(fixture, server.port, { host: "other.example" });
    await changeChannel(fixture, fixture.actor, id, { settings }, 1);
    assert.notEqual(await proposed.placeOf(fixture.database.db, use), place);
  });

  test("to a recipient that is refused fails; beside others that are taken it is noted", async () => {
    const authority = await testAuthority();
    await using server = await startMail(authority);
    await using fixture = await open(authority);
    const alone = await fixture.addChannel(await mailTo(fixture, server.port, { to: ["refused@x.example"] }));
    await assert.rejects(testChannel(fixture, fixture.actor, alone.id), (error) => {
      assert(isAppError(error, "ERR_DELIVERY_REFUSED"));
      return /no such user/u.test(error.message);
    });
    const both = ["refused@x.example", "taken@x.example"];
    const beside = await fixture.addChannel(await mailTo(fixture, server.port, { to: both }));
    const note = await testChannel(fixture, fixture.actor, beside.id);
    assert.match(note ?? "", /refused@x\.example/u);
    assert.deepEqual(server.mails.at(-1)?.to, ["taken@x.example"]);
  });

  test("waits for a server that is down and goes when it is back", async () => {
    const authority = await testAuthority();
    await using fixture = await open(authority);
    const first = await startMail(authority);
    await fixture.addChannel(await mailTo(fixture, first.port));
    await first[Symbol.asyncDispose]();
    await fixture.happen("backup.failed");
    assert.equal(await deliverDue(fixture), 1);
    const [waiting] = (await listDeliveries(fixture.database.db, { limit: 5 })).items;
    assert.equal(waiting?.state, "waiting");
    assert.equal(waiting.error?.code, "ERR_OUTBOUND_FAILED");
    await using again = await startMail(authority, {}, first.port);
    assert.equal(await deliverDue(fixture), 0);
    fixture.clock.move(pauseAfter(1));
    assert.equal(await deliverDue(fixture), 1);
    assert.equal(again.mails.length, 1);
  });

  test("is the mail that it should be, whatever names hold", async () => {
    const authority = await testAuthority();
    await using server = await startMail(authority);
    await using fixture = await open(authority);
    await fixture.addChannel(await mailTo(fixture, server.port));
    const name = "evil\r\nBcc: thief@evil.example\r\n\r\n<script>alert(1)</script> ü";
    await fixture.happen("backup.failed", { plan: { id: newId("plan"), name } });
    assert.equal(await deliverDue(fixture), 1);
    const [mail] = server.mails;
    assert(mail !== undefined);
    assert.deepEqual(mail.to, ["ops@company.example"]);
    const [head = ""] = mail.raw.split("\r\n\r\n", 1);
    assert(!/^Bcc/imu.test(head), head);
    assert(!mail.raw.slice(mail.raw.indexOf("text/html")).includes("<script>"));
    assert(mail.raw.includes("&lt;script&gt;"));
  });

  test("goes to no server that may not be called", async () => {
    const authority = await testAuthority();
    await using server = await startMail(authority);
    await using fixture = await notifications(await openDatabase(":memory:"), {});
    for (const host of ["127.0.0.1", "localhost", "127.1", "169.254.169.254"]) {
      const { id } = await fixture.addChannel(await mailTo(fixture, server.port, { host }));
      await assert.rejects(testChannel(fixture, fixture.actor, id), hasCode("ERR_OUTBOUND_REFUSED"), host);
    }
    assert.deepEqual(server.signIns, []);
  });
});
