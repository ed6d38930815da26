/** `holdfast init`: makes a repository. */
import { ARGON2_DEFAULT, type Level, type Method, SUITE_NONE, type Suite, suiteFor } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import { createRepository, recoveryPublicKey, type SlotKey, type SlotTarget } from "@holdfast/repository";
import { type CommandCall, EXIT, type Exit, operand } from "../command-call.ts";
import { givenKey, promptNewPassphrase, wipeKey } from "../key-input.ts";
import { accessStorage } from "../repository-access.ts";
import { encryptionOf, encryptionText } from "../encryption.ts";

export async function run(call: CommandCall): Promise<Exit> {
  const { output } = call;
  const suite = chosenSuite(call);
  await using access = await accessStorage(call, operand(call, 0), { create: true });
  const key = await newKey(call, suite, access.defaults.keyFile);
  try {
    const slot = key === undefined ? undefined : { target: slotTarget(key), label: "first key" };
    const config = await createRepository(
      access.ports(undefined),
      slot === undefined ? { suite } : { suite, slot },
    );
    const { location } = access.storage;
    const id = config.repository.toString("hex");
    output.text(`Made the repository ${id.slice(0, 8)} at ${location}.`);
    for (const line of advice(suite, location, key)) output.text(line);
    output.summary({ repository: id, location, encryption: encryptionOf(suite) });
    return EXIT.done;
  } finally {
    wipeKey(key);
  }
}

function chosenSuite({ options }: CommandCall): Suite {
  const method = options.text("method");
  const level = options.text("level");
  if (!options.isDenied("encryption")) return suiteFor(asMethod(method ?? "gcm"), asLevel(level ?? "high"));
  if (method === undefined && level === undefined) return SUITE_NONE;
  throw new AppError("ERR_USAGE", "--no-encryption goes with neither --method nor --level.", {
    remedy: "Leave out the one or the others.",
  });
}

function asMethod(text: string): Method {
  return text === "cbc" ? "cbc" : "gcm";
}

function asLevel(text: string): Level {
  return text === "low" || text === "normal" ? text : "high";
}

async function newKey(
  call: CommandCall,
  suite: Suite,
  keyFileDefault: string | undefined,
): Promise<SlotKey | undefined> {
  const given = givenKey(call, keyFileDefault);
  if (suite.method !== null)
    return given ?? promptNewPassphrase(call, "--key-file FILE or HOLDFAST_KEY_FILE");
  if (given === undefined) return undefined;
  wipeKey(given);
  throw new AppError("ERR_NOT_ENCRYPTED", "A key was given for a repository without encryption.", {
    remedy: "Leave out the key, or --no-encryption.",
  });
}

function slotTarget(key: SlotKey): SlotTarget {
  return key.kind === "passphrase"
    ? { kind: "passphrase", passphrase: key.passphrase, parameters: ARGON2_DEFAULT }
    : { kind: "recovery", publicKey: recoveryPublicKey(key.seed) };
}

function advice(suite: Suite, location: string, key: SlotKey | undefined): readonly string[] {
  if (key === undefined) {
    return [
      "It is NOT encrypted: whoever can read the storage can read every file. This cannot be changed later.",
    ];
  }
  const lines = [
    `It is encrypted with ${encryptionText(encryptionOf(suite))}. This cannot be changed later.`,
    "Without its key nothing can be restored, by nobody: lose the key and the data is lost.",
  ];
  if (key.kind === "recovery") return lines;
  return [
    ...lines,
    `Make a recovery kit for the day the key is forgotten, print it, and keep it away from this machine:`,
    `  holdfast key add ${location} --recovery-kit FILE`,
  ];
}
