export { type Candidate, type CandidateRole, findCandidates } from "./candidates.ts";
export { type ReasonCode, reasonCodes } from "./match/reasons.ts";
export type { Finding } from "./plan/change.ts";
export { builtInProfiles, type Profile, qknormProfile, sglangProfile } from "./profile.ts";
export { type FileResult, type RunOptions, type RunResult, run } from "./run.ts";
export { type Language, SourcePathError } from "./source-files.ts";
