import { type EngineFact, type EngineState as EngineStateName, isoTime } from '#agent/api/view.ts';
import { LEAST_API_VERSION } from '#agent/engine/engine.ts';
import type { EngineState } from '#agent/engine/engine-watch.ts';

/** The engine as the local API shows it. */
export function engineFact(address: string, state: EngineState): EngineFact {
  const facts = state.kind === 'connecting' ? undefined : state.facts;
  return {
    state: stateName(state),
    since: isoTime(state.sinceMs),
    address,
    version: facts?.version.Version ?? null,
    apiVersion: facts?.version.ApiVersion ?? null,
    minApiVersion: LEAST_API_VERSION,
    error: state.kind === 'down' ? state.error.message : null,
    liveRestore: facts?.info.LiveRestoreEnabled ?? null,
    operatingSystem: facts?.info.OperatingSystem ?? null,
    kernelVersion: facts?.info.KernelVersion ?? null,
    storageDriver: facts?.info.Driver ?? null,
  };
}

const KINDS_OF_DOWN: Readonly<Record<string, EngineStateName>> = {
  'engine-stuck': 'stuck',
  'not-an-engine': 'not-an-engine',
  'engine-too-old': 'too-old',
  'engine-in-swarm': 'in-swarm-mode',
};

function stateName(state: EngineState): EngineStateName {
  return state.kind === 'down' ? (KINDS_OF_DOWN[state.error.code] ?? 'down') : state.kind;
}
