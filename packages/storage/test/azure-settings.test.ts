/** The URL, the credentials and the options of the Azure driver. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { AppError } from "@holdfast/kernel";
import { type AzureAccess, resolveAccess } from "../src/azure/access.ts";
import { describeLocation, parseAzureLocation } from "../src/azure/location.ts";
import { openAzure } from "../src/azure/open-azure.ts";
import { decodeStorageCredentials } from "../src/credentials.ts";
import { hasCode, KEY, SAS } from "./azure-bench.ts";
import { always } from "./azure-fixture.ts";

const SECRET = "the-secret-that-nobody-may-see";

suite("Azure: URL", () => {
  test("becomes a container, a folder, an account and an endpoint", () => {
    const text =
      "azure://backups/a%20b/c/?account=acme42&endpoint=https://acme42.blob.core.usgovcloudapi.net:8443/x/";
    const { endpoint, ...rest } = parseAzureLocation(new URL(text));
    assert.equal(endpoint?.href, "https://acme42.blob.core.usgovcloudapi.net:8443/x/");
    assert.deepEqual(rest, { container: "backups", prefix: "a b/c/", account: "acme42" });
    const bare = parseAzureLocation(new URL("azure://my-container"));
    assert.deepEqual(bare, {
      container: "my-container",
      prefix: "",
      account: undefined,
      endpoint: undefined,
    });
    assert.equal(describeLocation(bare), "azure://my-container");
    assert.equal(
      describeLocation(
        parseAzureLocation(new URL("azure://abc/x/y?account=acme&endpoint=http://localhost:1/")),
      ),
      "azure://abc/x/y?account=acme&endpoint=http://localhost:1",
    );
  });

  for (const url of [
    "azure://",
    "azure://ab/",
    "azure://Upper/",
    "azure://two--hyphens/",
    "azure://hyphen-/",
    "azure://$root/",
    "azure://container:80/",
    `azure://user:${SECRET}@container/`,
    `azure://container/x?sig=${SECRET}`,
    `azure://container/x?account=acme&sv=2025-01-05&sig=${SECRET}`,
    "azure://container/a//b",
    "azure://container/a/../../b?account=x",
    "azure://container/%00",
    "azure://container/%ff",
    "azure://container/a%5Cb",
    `azure://container/${"x".repeat(600)}`,
    "azure://container#x",
    "azure://container?account=UPPER",
    "azure://container?account=a.b.c",
    "azure://container?account=one&account=two",
    "azure://container?endpoint=ftp://server",
    `azure://container?endpoint=https://user:${SECRET}@server`,
    `azure://container?endpoint=${encodeURIComponent(`https://server/?sig=${SECRET}`)}`,
    "s3://container",
  ]) {
    test(`${url.slice(0, 50)} is refused`, () => {
      assert.throws(() => parseAzureLocation(new URL(url)), hasCode("ERR_USAGE"));
    });
  }
});

suite("Azure: with what an account is asked", () => {
  const place = (text: string) => parseAzureLocation(new URL(text));
  const plain = place("azure://container/x");
  const acme = place("azure://container/x?account=acme");
  const local = place("azure://container/x?account=acme&endpoint=http://127.0.0.1:9/acme/");
  const azure = "https://acme.blob.core.windows.net";
  const key = { kind: "key", account: "acme", key: KEY } as const;
  const sas = { kind: "sas", sas: SAS } as const;

  test("credentials that are given", () => {
    for (const [location, given, endpoint, secret] of [
      [acme, { accountKey: KEY }, azure, key],
      [plain, { account: "acme", accountKey: KEY }, azure, key],
      [local, { accountKey: KEY }, "http://127.0.0.1:9/acme", key],
      [acme, { sas: SAS }, azure, sas],
      [plain, { account: "acme", sas: `?${SAS}` }, azure, sas],
    ] as const) {
      const expected: AzureAccess = { endpoint, secret };
      const variables = { AZURE_STORAGE_CONNECTION_STRING: "AccountName=other;AccountKey=AAAA" };
      assert.deepEqual(resolveAccess(location, given, variables), expected);
    }
  });

  const connection = `DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=${KEY}`;
  test("variables of Azure's own tools", () => {
    for (const [location, environment, endpoint, secret] of [
      [plain, { AZURE_STORAGE_ACCOUNT: "acme", AZURE_STORAGE_KEY: KEY }, azure, key],
      [acme, { AZURE_STORAGE_ACCOUNT: "other", AZURE_STORAGE_KEY: KEY }, azure, key],
      [acme, { AZURE_STORAGE_SAS_TOKEN: SAS, AZURE_STORAGE_KEY: "" }, azure, sas],
      [acme, { AZURE_STORAGE_SAS_TOKEN: SAS, AZURE_STORAGE_KEY: KEY }, azure, key],
      [plain, { AZURE_STORAGE_CONNECTION_STRING: connection }, azure, key],
      [
        plain,
        { AZURE_STORAGE_CONNECTION_STRING: `${connection};EndpointSuffix=core.chinacloudapi.cn` },
        "https://acme.blob.core.chinacloudapi.cn",
        key,
      ],
      [
        plain,
        { AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=https://own.example/;SharedAccessSignature=${SAS}` },
        "https://own.example",
        sas,
      ],
      [local, { AZURE_STORAGE_CONNECTION_STRING: connection }, "http://127.0.0.1:9/acme", key],
    ] as const) {
      assert.deepEqual(resolveAccess(location, undefined, environment), { endpoint, secret });
    }
  });

  for (const [what, given] of [
    ["none", {}],
    ["a key and a SAS", { accountKey: KEY, sas: SAS }],
    ["a key that is no Base64", { accountKey: `${SECRET}!` }],
    ["a key with a line break", { accountKey: `${KEY}\n` }],
    ["the key of another account", { account: "other", accountKey: KEY }],
    ["an account that cannot be one", { account: "a/b", accountKey: KEY }],
    ["a SAS without a signature", { sas: `sv=2025-01-05&sp=${SECRET}` }],
    ["a SAS with a line break", { sas: `${SAS}\n` }],
    ["a whole URL", { sas: `https://acme.blob.core.windows.net/x?${SAS}` }],
  ] as const) {
    test(`${what} cannot be used, and is not repeated`, () => {
      assert.throws(() => resolveAccess(acme, given, {}), hasCode("ERR_STORAGE_CREDENTIALS"));
    });
  }

  test("broken connection strings are not repeated either", () => {
    for (const text of [
      SECRET,
      `AccountKey=${KEY};BlobEndpoint=:::${SECRET}`,
      `${connection};EndpointSuffix=evil.example/${SECRET}`,
      `AccountName=other;AccountKey=${KEY}`,
    ]) {
      const environment = { AZURE_STORAGE_CONNECTION_STRING: text };
      assert.throws(() => resolveAccess(acme, undefined, environment), hasCode("ERR_STORAGE_CREDENTIALS"));
    }
  });

  test("an account that nobody names is missing", () => {
    assert.throws(() => resolveAccess(plain, { sas: SAS }, {}), hasCode("ERR_USAGE"));
  });

  test("fields of a credentials file", () => {
    const text = JSON.stringify({ account: "acme", accountKey: KEY });
    assert.deepEqual(decodeStorageCredentials(text, "file"), { account: "acme", accountKey: KEY });
    assert.deepEqual(decodeStorageCredentials(JSON.stringify({ sas: SAS }), "file"), { sas: SAS });
  });
});

suite("Azure: opening", () => {
  const credentials = always({ accountKey: KEY });

  test("plain HTTP is for this machine only, unless it is allowed", async () => {
    const url = new URL("azure://container?account=acme&endpoint=http://192.0.2.1:9");
    await assert.rejects(openAzure(url, { credentials }), hasCode("ERR_USAGE"));
    const signal = AbortSignal.timeout(50);
    const options = { credentials, allowPlainHttp: true, signal };
    await assert.rejects(openAzure(url, options), hasCode("ERR_CANCELLED"));
  });

  test("an endpoint of the environment is held to the same", async () => {
    process.env["AZURE_STORAGE_CONNECTION_STRING"] =
      `AccountName=acme;AccountKey=${KEY};BlobEndpoint=http://192.0.2.1:9`;
    try {
      await assert.rejects(openAzure(new URL("azure://container")), hasCode("ERR_STORAGE_UNTRUSTED"));
    } finally {
      delete process.env["AZURE_STORAGE_CONNECTION_STRING"];
    }
  });

  test("credentials that are not there are the callback's error", async () => {
    const url = new URL("azure://container?account=acme&endpoint=http://localhost:9");
    const none = () => Promise.reject(new AppError("ERR_KEY_MISSING", "There is no such password."));
    await assert.rejects(openAzure(url, { credentials: none }), hasCode("ERR_KEY_MISSING"));
  });

  test("options that make no sense are refused", async () => {
    const url = new URL("azure://container?account=acme&endpoint=http://localhost:9");
    for (const options of [
      { fingerprint: "abc" },
      { caFile: "/there/is/no/such/file" },
      { caFile: import.meta.filename },
    ]) {
      await assert.rejects(openAzure(url, { credentials, ...options }), hasCode("ERR_USAGE"));
    }
  });

  test("other storages do not load Azure's SDK", () => {
    const entry = new URL("../src/azure/open-azure.ts", import.meta.url).href;
    const program = `
      import { registerHooks } from "node:module";
      let loaded = false;
      registerHooks({ load: (url, context, next) => { loaded ||= url.includes("storage-blob"); return next(url, context); } });
      const { openAzure } = await import(process.argv[1]);
      const before = loaded;
      await openAzure(new URL("azure://container")).catch(() => undefined);
      console.log(before, loaded);
    `;
    const args = ["--input-type=module", "--eval", program, entry];
    assert.equal(execFileSync(process.execPath, args, { encoding: "utf8" }).trim(), "false true");
  });
});
