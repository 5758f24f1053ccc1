export { type Candidate, type CandidateRole, findCandidates } from "./candidates/candidates.ts";
export { type Language, SourcePathError } from "./files/source-files.ts";
export { type ReasonCode, reasonCodes } from "./match/reasons.ts";
export type { Finding } from "./plan/change.ts";
export { builtInProfiles, type Profile, qknormProfile, sglangProfile } from "./profiles/profile.ts";
export { type FileResult, type RunOptions, type RunResult, run } from "./run/run.ts";
