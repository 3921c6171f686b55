import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { newSwarmId } from '#base/ids.ts';
import { Mount_Type, TaskSchema, type TaskSpecSchema, TaskState } from '#proto/gen/swarmkit/types_pb.js';
import { FakeManagers } from '../fake-manager/managers.ts';

/** The other side of complete-assignment.ts: a manager with so many tasks for one worker, in a process of its own. */
const count = Number(process.argv[2]);
const managers = await FakeManagers.start(1, { batchMs: 1 });
const { nodeId, certificatePem, keyPem, rootBundle } = managers.worker();
for (let slot = 1; slot <= count; slot++) managers.swarm.tasks.set(...entryOf(slot));
const [address] = managers.addresses;
process.send?.({ address, certificatePem, keyPem, rootBundle: Buffer.from(rootBundle).toString() });
process.on('disconnect', () => process.exit(0));

/** A task as a stack of ordinary size makes them: 2 KiB on the wire. */
function entryOf(slot: number) {
  const container = {
    image: `registry.example.com/team/application:1.2.3@sha256:${'a'.repeat(64)}`,
    labels: { 'com.docker.stack.namespace': 'stack' },
    args: ['serve', '--port', '8080'],
    env: Array.from({ length: 20 }, (_, n) => `VARIABLE_${n}=a value of ordinary length {{.Task.Slot}}`),
    mounts: [{ type: Mount_Type.VOLUME, source: 'data', target: '/data' }],
    healthcheck: { test: ['CMD-SHELL', 'curl -f http://localhost/'], interval: { seconds: 10n } },
    stopGracePeriod: { seconds: 10n },
  };
  const spec: Exclude<MessageInitShape<typeof TaskSpecSchema>, { $typeName: string }> = {
    runtime: { case: 'container', value: container },
    resources: { limits: { nanoCpus: 1_000_000_000n, memoryBytes: 536_870_912n } },
    restart: { delay: { seconds: 5n } },
    placement: { platforms: Array.from({ length: 8 }, () => ({ architecture: 'amd64', os: 'linux' })) },
  };
  const task = create(TaskSchema, {
    id: newSwarmId(),
    nodeId,
    serviceId: newSwarmId(),
    slot: BigInt(slot),
    desiredState: TaskState.RUNNING,
    meta: { version: { index: 12n }, createdAt: { seconds: 1n }, updatedAt: { seconds: 3n } },
    status: { state: TaskState.ASSIGNED, message: 'scheduler assigned task to node', timestamp: { seconds: 1n } },
    serviceAnnotations: { name: 'stack_application', labels: { 'com.docker.stack.namespace': 'stack' } },
    spec,
    endpoint: { spec: { ports: [{ targetPort: 80, publishedPort: 8080 }] } },
  });
  return [task.id, task] as const;
}
