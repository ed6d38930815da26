/** Files up to this size are written by one thread in one go; larger ones by stretches, by all threads. */
export const WHOLE_FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Content of one stretch. */
export const RANGE_BYTES = 8 * 1024 * 1024;
/** What one task holds at most: enough that handing it over costs nothing, little enough to share evenly. */
export const TASK_ENTRIES = 512;
export const TASK_BYTES = 4 * 1024 * 1024;
