import { clusterProblems } from './problems-cluster.ts';
import { hostProblems } from './problems-host.ts';
import { networkProblems } from './problems-network.ts';
import { overlayProblems } from './problems-overlay.ts';
import { taskProblems } from './problems-tasks.ts';
import { type AgentFacts, type AgentView, type Problem, SEVERITIES } from './view.ts';

/** What is wrong and what to do about it, the gravest first. A pure function of the facts and the time. */
export function problemsOf(facts: AgentFacts, nowMs: number): readonly Problem[] {
  const problems = [
    ...clusterProblems(facts, nowMs),
    ...hostProblems(facts, nowMs),
    ...networkProblems(facts, nowMs),
    ...overlayProblems(facts, nowMs),
    ...taskProblems(facts, nowMs),
  ];
  return problems.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** The facts with what is wrong added: the value that the local API shows. */
export function viewOf(facts: AgentFacts, nowMs: number): AgentView {
  return Object.freeze({ ...facts, problems: Object.freeze(problemsOf(facts, nowMs)) });
}
