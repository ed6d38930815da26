/** One simulated run: some weeks of several machines, then an end in which everything must come to rest. */
import { clean } from "../src/maintenance/clean.ts";
import { loadIndex } from "../src/maintenance/mark.ts";
import { openChunkIndex } from "../src/chunk-index/index.ts";
import { hashOfName } from "../src/format/object-names.ts";
import {
  type ActorOptions,
  backUp,
  cleanUp,
  commonContents,
  forget,
  forgetLate,
  replicateCopies,
  restore,
} from "./simulation-actors.ts";
import { SeededRandom } from "./simulation-random.ts";
import { UNHARMED } from "./simulation-storage.ts";
import { type Distortion, type Place, SimulatedWorld, Violation } from "./simulation-world.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Deliberately broken processes, for showing that the simulation notices. */
  readonly broken?: { readonly writer?: Distortion; readonly cleaner?: Distortion };
}

export interface SimulationSummary {
  readonly copies: number;
  readonly steps: number;
}

const DAY_MS = 86_400_000;
const STEPS_PER_CHECK = 1000;
const STEPS_MAX = 200_000;
/** Fences stay for 30 days, and with stale lists every stage takes some days. */
const LAST_CLEANS = 12;

/** @throws Violation, or an error of the simulation itself. */
export async function simulate({ seed, broken = {} }: SimulationOptions): Promise<SimulationSummary> {
  const random = new SeededRandom(seed);
  const isStale = random.chance(0.2);
  // Where lists are stale the protocol goes by clocks, which may differ by hours only.
  const world = new SimulatedWorld(
    random,
    isStale ? 30 * 3_600_000 : 0,
    isStale ? 4 * 3_600_000 : 400 * DAY_MS,
  );
  await world.begin();
  const steps = await runActors(world, broken);
  await world.check();
  for (const place of world.places) await comeToRest(world, place);
  await world.check();
  const copies = world.places.reduce((sum, place) => sum + place.copies.size, 0);
  return { copies, steps };
}

async function runActors(
  world: SimulatedWorld,
  broken: NonNullable<SimulationOptions["broken"]>,
): Promise<number> {
  const { random } = world;
  const common = commonContents(random);
  // Some worlds are busy, and some have time to take sessions for lost.
  const pauseMs = random.scale(DAY_MS / 12, 2 * DAY_MS);
  const options = (rounds: number, distort?: Distortion): ActorOptions => {
    return { world, random: random.fork(), rounds, pauseMs, distort };
  };
  const actors = [
    ...Array.from({ length: random.integer(1, 4) }, (_, index) =>
      backUp(options(random.integer(2, 7), broken.writer), `writer ${String(index)}`, common),
    ),
    ...Array.from({ length: random.integer(1, 3) }, () =>
      cleanUp(options(random.integer(4, 14), broken.cleaner)),
    ),
    forget(options(random.integer(2, 8))),
    restore(options(random.integer(1, 4))),
    replicateCopies(options(random.chance(0.3) ? random.integer(1, 4) : 0, broken.writer)),
  ];
  const states = actors.map((actor) => watch(actor));
  let steps = 0;
  await world.clock.run(
    () =>
      steps > STEPS_MAX ||
      states.every(({ isOver }) => isOver) ||
      states.some(({ error }) => error !== undefined),
    async () => {
      steps += 1;
      if (steps % STEPS_PER_CHECK === 0) await world.check();
    },
  );
  for (const { error } of states) if (error !== undefined) throw error;
  if (states.some(({ isOver }) => !isOver)) throw new Violation("the actors do not come to an end");
  return steps;
}

interface Watched {
  isOver: boolean;
  error: Error | undefined;
}

function watch(actor: Promise<void>): Watched {
  const watched: Watched = { isOver: false, error: undefined };
  const end = async (): Promise<void> => {
    try {
      await actor;
    } catch (error) {
      watched.error = error instanceof Error ? error : new Error(String(error));
    }
    watched.isOver = true;
  };
  void end();
  return watched;
}

/** Nobody is left: cleaning must give everything back, whatever was cut short. */
async function comeToRest(world: SimulatedWorld, place: Place): Promise<void> {
  const { disk } = place;
  if ((await disk.objects.stat("config")) === null) return;
  await forgetLate(world, place);
  // Everybody's last words are seen by now. Where lists are stale, every stage takes a run.
  for (let run = 1; ; run += 1) {
    world.clock.skip(35 * DAY_MS);
    const { repository } = world.process(place, UNHARMED);
    await world.clock.during(clean(repository));
    const left = await findLeft(world, place);
    if (left === undefined) return;
    if (run === LAST_CLEANS) throw new Violation(`${place.name}: ${left} is left behind`);
  }
}

/** Something that nobody needs any more. */
async function findLeft(world: SimulatedWorld, place: Place): Promise<string | undefined> {
  for (const prefix of ["sessions/", "condemned/", "waits/"]) {
    const [left] = await place.disk.listing(prefix);
    if (left !== undefined) return left.name;
  }
  const repository = world.truth(place);
  using loaded = await loadIndex(repository);
  const [superseded] = loaded.superseded;
  if (superseded !== undefined) return superseded;
  const named = openChunkIndex(loaded.snapshot).packNames();
  const packs = await place.disk.listing("packs/");
  const orphan = packs.find(({ name }) => !named.has(hashOfName(name) ?? Buffer.alloc(32)));
  if (orphan !== undefined) return orphan.name;
  const { packsDeleted } = await clean(repository, { dryRun: true });
  return packsDeleted > 0 ? `${String(packsDeleted)} packs that no copy needs` : undefined;
}
