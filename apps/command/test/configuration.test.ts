import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { configurationPath, parseConfiguration, readConfiguration } from "../src/configuration.ts";

suite("The configuration file", () => {
  test("names storages and defaults", () => {
    const text = JSON.stringify({
      storages: { nas: { location: "/srv/nas", keyFile: "/root/nas.key" }, usb: { location: "/media/usb" } },
      exclude: ["*.tmp"],
      excludeFiles: ["/etc/holdfast/exclude"],
      tags: ["daily"],
      host: "web1",
      compression: 9,
      workers: 2,
    });
    const configuration = parseConfiguration(text, "config.json");
    assert.deepEqual(configuration.storages.get("nas"), { location: "/srv/nas", keyFile: "/root/nas.key" });
    assert.deepEqual(configuration.storages.get("usb"), { location: "/media/usb" });
    const { exclude, excludeFiles, tags, host, compression, workers } = configuration;
    assert.deepEqual(
      { exclude, excludeFiles, tags, host, compression, workers },
      {
        exclude: ["*.tmp"],
        excludeFiles: ["/etc/holdfast/exclude"],
        tags: ["daily"],
        host: "web1",
        compression: 9,
        workers: 2,
      },
    );
  });

  test("is refused with the field that cannot be used, without quoting its values", () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["{", /config\.json cannot be used: it is not JSON/u],
      ["[]", /it is no object/u],
      ['{"key": "hunter2"}', /"key": there is no such field/u],
      ['{"host": 7}', /"host": it is no text/u],
      ['{"compression": 99}', /"compression": it is no whole number from 0 to 19/u],
      ['{"exclude": "*.tmp"}', /"exclude": it is no list/u],
      ['{"storages": {"nas": {"keyFile": "x"}}}', /"storages\.nas\.location": it is missing/u],
      [
        '{"storages": {"nas": {"location": "x", "key": "hunter2"}}}',
        /"storages\.nas\.key": there is no such field/u,
      ],
    ];
    for (const [text, pattern] of cases) {
      assert.throws(
        () => parseConfiguration(text, "config.json"),
        (error) => {
          assert(isAppError(error, "ERR_USAGE"));
          assert.match(error.message, pattern);
          assert.doesNotMatch(error.message, /hunter2/u);
          return true;
        },
      );
    }
  });

  test("need not be there, unless it was named", () => {
    assert.equal(readConfiguration({ XDG_CONFIG_HOME: "/nowhere" }).storages.size, 0);
    assert.throws(
      () => readConfiguration({ HOLDFAST_CONFIG: "/nowhere/config.json" }),
      (error) => isAppError(error, "ERR_USAGE"),
    );
  });

  test("is looked for where the system keeps such files", () => {
    assert.equal(configurationPath({ HOLDFAST_CONFIG: "/a", XDG_CONFIG_HOME: "/b" }), "/a");
    assert.equal(configurationPath({ XDG_CONFIG_HOME: "/b" }), "/b/holdfast/config.json");
    assert.match(configurationPath({}), /\/\.config\/holdfast\/config\.json$/u);
  });
});
