/**
 * What a browser shows at the link that `holdfast serve` prints, as long as there is no console: how to make the first administrator with
 * the API. The token is in the fragment of the address, which browsers do not send, and nothing on the page reads it: it has no script.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { API_PREFIX } from "./paths.ts";

export const SETUP_PATH = "/setup";

const STYLE =
  "body{font:16px/1.5 sans-serif;max-width:46em;margin:3em auto;padding:0 1em;color:#222;background:#fff}" +
  "pre{padding:1em;background:#eee;overflow:auto}";
const CSP =
  `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; ` +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Names and addresses as a browser sends them, and nothing that HTML or a shell would read otherwise. */
const HOST = /^[\w.-]{1,253}(?::\d{1,5})?$|^\[[\da-f:.]{2,45}\](?::\d{1,5})?$/iu;

export function serveSetupPage(app: FastifyInstance): void {
  app.get(SETUP_PATH, (request, reply) => {
    const { host = "" } = request.headers;
    return reply
      .header("content-security-policy", CSP)
      .type("text/html; charset=utf-8")
      .send(page(HOST.test(host) ? host : "SERVICE:8443"));
  });
}

function page(host: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Holdfast: the first administrator</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Holdfast: the first administrator</h1>
<p>The service runs. It has no console yet: the first administrator is made with its API, by any HTTP client.</p>
<ol>
<li><p>In a terminal, run</p>
<pre>curl --insecure --request POST --header 'Content-Type: application/json' --data @- https://${host}${API_PREFIX}/setup</pre>
<p><code>--insecure</code> is for this first call only, and best made on the service's own machine: the certificate is of the service's own authority, whose SHA-256 is in its log.</p></li>
<li><p>It waits for its input. Type or paste this line with your own values, then Enter and Ctrl+D. So they are neither in the history of
the shell nor in the list of processes.</p>
<pre>{"token": "TOKEN", "name": "ada", "password": "a long password"}</pre>
<p>TOKEN is what stands behind the <code>#</code> in the address of this page. It serves once, within a day; a restart of the service prints a
new link. Your browser has not sent it.</p></li>
<li><p>The answer is the new user. <code>ERR_SETUP</code> says that the link is used or too old, or that there is an administrator already.</p></li>
</ol>
<p>What comes next is in <a href="/api/docs">the documentation of the API</a>, and in <code>docs/service.md</code>, which came with the program.</p>
</body>
</html>
`;
}
