/**
 * Parsers of whole objects: config, slots, sessions, condemnations, manifests (docs/format.md, sections 3, 8 and 9).
 *
 * @module
 */
import {
  formatRecoveryKey,
  hmacSha256,
  keyPairFromSeed,
  openBox,
  parseRecoveryKey,
  sealBox,
  sha256,
  SUITES,
} from "@holdfast/crypto";
import { ByteWriter } from "@holdfast/kernel";
import { type CopyDetails, type CopyTable, groupOf, type SlotKey } from "@holdfast/repository";
import {
  checkConfigMac,
  configKeyOf,
  decodeCondemned,
  decodeConfig,
  decodeManifest,
  decodeSessionBeat,
  decodeSlot,
  encodeCondemned,
  encodeConfig,
  encodeManifest,
  encodeSessionBeat,
  encodeSlot,
  openDetails,
  openEnvelope,
  openSlot,
  openSlotLabel,
  openTable,
} from "@holdfast/repository/format-parts";
import type { FuzzedParser } from "./fuzzed-parser.ts";
import {
  ascii,
  keys,
  nameOf,
  newKeyring,
  otherSession,
  privateSeed,
  publicKey,
  random,
  repository,
  rootSecret,
  session,
  u32,
} from "./samples.ts";

const configKey = configKeyOf(keys);
const chunkSizes = { chunkMin: 262_144, chunkAverage: 1_048_576, chunkMax: 4_194_304 };
const configs = SUITES.slice(2, 4).map((suite, index) =>
  encodeConfig(
    { repository, suite, createdMs: 1_700_000_000_000 + index, ...chunkSizes, publicKey },
    configKey,
  ),
);

function withChecksum(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, sha256(bytes)]);
}

function readConfig(bytes: Buffer): unknown {
  const config = decodeConfig(bytes);
  checkConfigMac(bytes, configKey);
  return config;
}

const configParsers: readonly FuzzedParser[] = [
  {
    name: "config",
    samples: configs,
    decode: readConfig,
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "config, its checksum made anew",
    samples: configs.map((bytes) => bytes.subarray(0, -32)),
    decode: (bytes) => readConfig(withChecksum(bytes)),
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "config, its code and checksum made anew",
    samples: configs.map((bytes) => bytes.subarray(0, -64)),
    decode: (bytes) => readConfig(withChecksum(Buffer.concat([bytes, hmacSha256(configKey, bytes)]))),
    codes: ["ERR_FORMAT_VERSION"],
  },
];

const kitSeed = random.bytes(32);
const kitKey: SlotKey = { kind: "recovery", seed: kitSeed };
const passphrase = Buffer.from("correct horse battery staple");
const parameters = { memoryKiB: 8192, passes: 1, lanes: 1 };
const newSlot = { repository, rootSecret, tableKey: keys.tableKey, createdMs: 1_700_000_000_000 };
const slots = {
  passphrase: encodeSlot({
    ...newSlot,
    label: "Passphrase of the office",
    target: { kind: "passphrase", passphrase, parameters },
    randomness: random.fill,
  }),
  recovery: ["Kit in the safe", ""].map((label) =>
    encodeSlot({
      ...newSlot,
      label,
      target: { kind: "recovery", publicKey: keyPairFromSeed(kitSeed).publicKey },
    }),
  ),
};

/** The root secret and the label: between them, every byte of a slot is authenticated. */
function readSlot(bytes: Buffer, key: SlotKey): unknown {
  const name = nameOf("slots", bytes);
  const slot = decodeSlot(bytes, name, repository);
  const isDear =
    slot.kind === "passphrase" && (slot.parameters.memoryKiB > 16_384 || slot.parameters.passes > 2);
  // Within the bounds of the format an attacker may ask for gigabytes and minutes; not in this test.
  if (isDear) return undefined;
  const root = openSlot(slot, key, name);
  return root === undefined ? undefined : { root, label: openSlotLabel(slot, keys.tableKey, name) };
}

const slotParsers: readonly FuzzedParser[] = [
  {
    name: "slot of a passphrase",
    samples: [slots.passphrase],
    decode: (bytes) => readSlot(bytes, { kind: "passphrase", passphrase }),
    codes: ["ERR_FORMAT_VERSION", "ERR_KEY_WRONG"],
    isAuthentic: true,
    divisor: 10,
  },
  {
    name: "slot of a recovery kit",
    samples: slots.recovery,
    decode: (bytes) => readSlot(bytes, kitKey),
    codes: ["ERR_FORMAT_VERSION", "ERR_KEY_WRONG"],
    isAuthentic: true,
    divisor: 2,
  },
  {
    name: "slot of any kind, not opened",
    samples: [slots.passphrase, ...slots.recovery],
    decode: (bytes) => decodeSlot(bytes, nameOf("slots", bytes), repository),
    codes: ["ERR_FORMAT_VERSION"],
  },
];

const beat = {
  session: session.session,
  role: "writer",
  startedMs: 1_700_000_000_000,
  beatMs: 1_700_000_600_000,
  process: { host: "host", bootId: "boot", processId: 4711, startTime: "12345" },
} as const;
const beats = [beat, { ...beat, role: "cleaner" } as const].map((one) =>
  encodeSessionBeat(one, repository, keys.tableKey),
);
const BEAT_FRONT_BYTES = 64;
const readBeat = (bytes: Buffer): Beat =>
  decodeSessionBeat(bytes, "sessions/00.000001", repository, keys.tableKey);

type Beat = ReturnType<typeof decodeSessionBeat>;

/** Front and plaintext of the box, one behind the other, sealed as their writer would. */
function beatOf(bytes: Buffer): Buffer {
  const front = bytes.subarray(0, BEAT_FRONT_BYTES);
  const context = ascii("holdfast/1/session-object", front);
  const box = sealBox(keys.tableKey, context, bytes.subarray(BEAT_FRONT_BYTES));
  return withChecksum(Buffer.concat([front, u32(box.length), box]));
}

function encodeBeat({ session: id, role, startedMs, beatMs, process }: Beat): Buffer {
  const head = (beats[0] ?? Buffer.alloc(0)).subarray(0, HEAD_BYTES);
  return new ByteWriter()
    .raw(head)
    .raw(id)
    .u8(role === "writer" ? 1 : 2)
    .raw(Buffer.alloc(7))
    .u64(BigInt(startedMs))
    .u64(BigInt(beatMs))
    .text(process.host)
    .text(process.bootId)
    .varint(process.processId)
    .text(process.startTime)
    .finish();
}

const packs = [random.bytes(32), random.bytes(32), random.bytes(32)].map((hash) => hash.toString("hex"));
const condemnations = [packs, packs.slice(0, 1)].map(
  (list) => encodeCondemned(repository, keys.tableKey, 1_700_000_000_000, list).bytes,
);
const HEAD_BYTES = 24;
interface Condemned {
  readonly timeMs: number;
  readonly named: readonly string[];
}

function readCondemned(bytes: Buffer): Condemned {
  const { timeMs, packs: named } = decodeCondemned(
    bytes,
    nameOf("condemned", bytes),
    repository,
    keys.tableKey,
  );
  return { timeMs, named };
}

function condemnedWith(plaintext: Buffer): Buffer {
  const head = (condemnations[0] ?? Buffer.alloc(0)).subarray(0, HEAD_BYTES);
  const box = sealBox(keys.tableKey, ascii("holdfast/1/condemned", head), plaintext);
  return Buffer.concat([head, u32(box.length), box]);
}

function plaintextOf(box: Buffer, label: string, front: Buffer): Buffer {
  return openBox(keys.tableKey, ascii(label, front), box, "a sample");
}

const maintenanceParsers: readonly FuzzedParser[] = [
  {
    name: "session",
    samples: beats,
    decode: readBeat,
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "session, its checksum made anew",
    samples: beats.map((bytes) => bytes.subarray(0, -32)),
    decode: (bytes) => readBeat(withChecksum(bytes)),
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "session, sealed anew",
    samples: beats.map((bytes) => {
      const front = bytes.subarray(0, BEAT_FRONT_BYTES);
      const box = bytes.subarray(BEAT_FRONT_BYTES + 4, -32);
      return Buffer.concat([front, plaintextOf(box, "holdfast/1/session-object", front)]);
    }),
    decode: (bytes) => {
      const { startedMs, beatMs, ...rest } = readBeat(beatOf(bytes));
      // A number holds no u64: what is lost of absurd times is no mistake.
      const isExact = Number.isSafeInteger(startedMs) && Number.isSafeInteger(beatMs);
      return isExact ? { startedMs, beatMs, ...rest } : undefined;
    },
    encode: encodeBeat,
    codes: ["ERR_FORMAT_VERSION"],
  },
  {
    name: "condemned",
    samples: condemnations,
    decode: readCondemned,
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "condemned, its box sealed anew",
    samples: condemnations.map((bytes) =>
      plaintextOf(bytes.subarray(HEAD_BYTES + 4), "holdfast/1/condemned", bytes.subarray(0, HEAD_BYTES)),
    ),
    decode: (plaintext) => {
      const condemned = readCondemned(condemnedWith(plaintext));
      return Number.isSafeInteger(condemned.timeMs) ? condemned : undefined;
    },
    encode: ({ timeMs, named }: Condemned) => {
      const writer = new ByteWriter().u64(BigInt(timeMs)).u32(named.length);
      for (const pack of named) writer.raw(Buffer.from(pack, "hex"));
      return writer.finish();
    },
  },
];

const paths = [Buffer.from("/srv/data"), Buffer.from([0x2f, 0xff, 0xfe])];
const table = {
  kind: "files",
  timeMs: 1_700_000_000_000,
  group: groupOf(keys.tableKey, "host", paths),
  root: { type: 5, id: random.bytes(32), entries: 123_456, bytes: 2 ** 40 },
  bytesAdded: 2 ** 33,
} as const;
const details = {
  host: "host",
  name: "weekly",
  paths,
  tags: ["one", "zwei ü"],
  program: "holdfast 0.1.0",
  startedMs: 1_700_000_000_000,
  files: 100_000,
  directories: 20_000,
  others: 3456,
  warnings: 1,
};
const manifests = [session, otherSession].map(({ sessionKey, envelope }) =>
  encodeManifest({ repository, tableKey: keys.tableKey, sessionKey, envelope }, table, details),
);

interface Opened {
  readonly opened: CopyTable;
  readonly details: CopyDetails;
}

function readManifest(bytes: Buffer): Opened {
  const manifest = decodeManifest(bytes, nameOf("copies", bytes).slice(7), repository);
  const opened = openTable(manifest, keys.tableKey);
  return { opened, details: openDetails(manifest, keys.tableKey, repository, newKeyring()) };
}

const manifest = decodeManifest(manifests[0] ?? Buffer.alloc(0), "a sample", repository);
const copyFront = manifest.front;
const tablePlaintext = plaintextOf(manifest.tableBox, "holdfast/1/copy/table", copyFront);
const readKey = ((): Buffer => {
  // HKDF(D, repository, "holdfast/1/copy", 32), written out (RFC 5869).
  const extracted = hmacSha256(repository, session.sessionKey);
  return hmacSha256(extracted, ascii("holdfast/1/copy"), Buffer.of(1));
})();

function manifestWith(tableBytes: Buffer, detailBytes: Buffer, oldReadBox?: Buffer): Buffer {
  const tableBox = sealBox(keys.tableKey, ascii("holdfast/1/copy/table", copyFront), tableBytes);
  const context = ascii("holdfast/1/copy/read", copyFront, sha256(tableBytes));
  const readBox = oldReadBox ?? sealBox(readKey, context, detailBytes);
  return Buffer.concat([copyFront, u32(tableBox.length), tableBox, u32(readBox.length), readBox]);
}

function encodeDetails(opened: CopyDetails): Buffer {
  const writer = new ByteWriter().text(opened.host).text(opened.name).varint(opened.paths.length);
  for (const path of opened.paths) writer.blob(path);
  writer.varint(opened.tags.length);
  for (const tag of opened.tags) writer.text(tag);
  const { program, startedMs, files, directories, others, warnings } = opened;
  writer.text(program).u64(BigInt(startedMs));
  return writer.varint(files).varint(directories).varint(others).varint(warnings).finish();
}

const detailPlaintext = openBox(
  readKey,
  ascii("holdfast/1/copy/read", copyFront, sha256(tablePlaintext)),
  manifest.readBox,
  "a sample",
);

const copyParsers: readonly FuzzedParser[] = [
  {
    name: "manifest",
    samples: manifests,
    decode: readManifest,
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
    divisor: 2,
  },
  {
    name: "manifest, its table box sealed anew",
    samples: [tablePlaintext],
    decode: (plaintext) => {
      const { opened } = readManifest(manifestWith(plaintext, detailPlaintext));
      return Number.isSafeInteger(opened.timeMs) ? opened : undefined;
    },
    encode: ({ kind, timeMs, group, root, bytesAdded }: CopyTable) =>
      new ByteWriter()
        .u8(kind === "files" ? 1 : 2)
        .u64(BigInt(timeMs))
        .raw(group)
        .u8(root.type)
        .raw(root.id)
        .varint(root.entries)
        .varint(root.bytes)
        .varint(bytesAdded)
        .finish(),
    divisor: 2,
  },
  {
    name: "manifest, its read box sealed anew",
    samples: [detailPlaintext],
    decode: (plaintext) => {
      const opened = readManifest(manifestWith(tablePlaintext, plaintext)).details;
      return Number.isSafeInteger(opened.startedMs) ? opened : undefined;
    },
    encode: encodeDetails,
    divisor: 2,
  },
  {
    name: "manifest, its table box sealed anew by somebody without the read key",
    samples: [tablePlaintext],
    decode: (plaintext) => readManifest(manifestWith(plaintext, detailPlaintext, manifest.readBox)),
    isAuthentic: true,
    divisor: 2,
  },
  {
    name: "session envelope",
    samples: [session, otherSession].map(({ envelope }) => envelope),
    decode: (bytes) => openEnvelope(bytes, repository, privateSeed, "a pack"),
    isAuthentic: true,
    divisor: 2,
  },
];

const recoveryKeys = [kitSeed, random.bytes(32)].map((seed) => Buffer.from(formatRecoveryKey(seed)));

const textParsers: readonly FuzzedParser[] = [
  {
    name: "text of a recovery key",
    samples: recoveryKeys,
    decode: (bytes) => parseRecoveryKey(bytes.toString("utf8")),
    codes: ["ERR_KEY_FORMAT"],
    isAuthentic: true,
  },
];

export const objectParsers: readonly FuzzedParser[] = [
  ...configParsers,
  ...slotParsers,
  ...maintenanceParsers,
  ...copyParsers,
  ...textParsers,
];
