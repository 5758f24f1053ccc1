export { type Candidate, type CandidateRole, findCandidates } from "./candidates.ts";
export { formatReport } from "./report.ts";
export { type CandidateFile, type ScanReport, scan } from "./scan.ts";
export { type Language, SourcePathError } from "./source-files.ts";
