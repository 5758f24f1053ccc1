/** Receives one sentence about something odd in a folder that does no harm, or that is ignored. */
export type Warn = (sentence: string) => void;
