/**
 * How long the service remembers what was done, over the API.
 *
 * @module
 */
import { z } from "zod";
import { count, instant } from "../values.ts";

const DAYS_MAX = 3650;

export const historyPolicy = z
  .object({
    /** Tasks with their attempts, after their end. */
    taskDays: z.int().min(7).max(DAYS_MAX),
    /** What happened in each attempt, line by line, after its end. */
    eventDays: z.int().min(1).max(DAYS_MAX),
  })
  .refine(({ taskDays, eventDays }) => eventDays <= taskDays, {
    path: ["eventDays"],
    message: "is more than taskDays: events go with their tasks",
  });
export type HistoryPolicy = z.infer<typeof historyPolicy>;

export const historyPolicyView = z.object({
  taskDays: z.int(),
  eventDays: z.int(),
  changedAt: instant.nullable(),
  changedBy: z.string().nullable(),
  revision: count,
});
export type HistoryPolicyView = z.infer<typeof historyPolicyView>;
