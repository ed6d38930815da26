/** The page at the link that `serve` prints. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { openDatabase } from "../src/database/open-database.ts";
import { serveSetupPage } from "../src/http/setup-page.ts";
import { startService } from "../src/service.ts";
import { startTestServer } from "./http-fixture.ts";

async function pageFor(host: string): Promise<{ readonly html: string; readonly csp: string }> {
  await using server = await startTestServer(await openDatabase(":memory:"), [], { extend: serveSetupPage });
  const { statusCode, headers, body } = await server.app.inject({ url: "/setup", headers: { host } });
  assert.equal(statusCode, 200);
  assert.match(String(headers["content-type"]), /^text\/html; charset=utf-8$/u);
  assert.equal(headers["referrer-policy"], "no-referrer");
  assert.equal(headers["cache-control"], "no-store");
  return { html: body, csp: String(headers["content-security-policy"]) };
}

suite("the page of the set-up link", () => {
  test("has the call that makes the first administrator, and no script", async () => {
    const { html, csp } = await pageFor("backup.example:8443");
    assert.ok(html.includes("https://backup.example:8443/api/v1/setup"), html);
    assert.match(html, /curl .*--request POST .*--data @-/u);
    assert.doesNotMatch(html, /<script|javascript:|\son\w+=/iu);
    assert.match(csp, /^default-src 'none'; style-src 'sha256-/u);
    assert.doesNotMatch(csp, /script-src|unsafe/u);
    const style = /<style>(?<style>[^<]*)<\/style>/u.exec(html)?.groups?.["style"] ?? "";
    assert.ok(csp.includes(createHash("sha256").update(style).digest("base64")), "its own style is refused");
  });

  test("is where the link of the service leads", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hf-setup-"));
    const service = await startService({
      dataFolder: join(folder, "data"),
      unlockFile: join(folder, "keys", "unlock"),
      listen: { host: "127.0.0.1", port: 0 },
      database: `sqlite:${join(folder, "data", "holdfast.sqlite")}`,
      version: "0.1.0",
      log: () => undefined,
    });
    try {
      const asked = get(service.setupLink ?? "", { rejectUnauthorized: false });
      const [response]: IncomingMessage[] = await once(asked, "response");
      assert.ok(response !== undefined);
      assert.ok((await text(response)).includes(`${service.url}/api/v1/setup`));
    } finally {
      await service.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("shows nothing that somebody else has put into the request", async () => {
    for (const host of [
      "<b>",
      'x";rm -rf ~;"',
      "x y",
      "$(id)",
      "`id`",
      "a".repeat(300),
      "[::1",
      "x:123456",
    ]) {
      const { html } = await pageFor(host);
      assert.ok(html.includes("https://SERVICE:8443/api/v1/setup"), host);
    }
    assert.ok((await pageFor("[::1]:8443")).html.includes("https://[::1]:8443/api/v1/setup"));
  });
});
