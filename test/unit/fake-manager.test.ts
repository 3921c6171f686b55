import { checkManager } from '#test/fake-manager/manager-checks.ts';
import { FakeManagers } from '#test/fake-manager/managers.ts';

checkManager('the fake manager', async () => {
  const managers = await FakeManagers.start(1, { batchMs: 1 });
  const worker = managers.worker();
  const { swarm } = managers;
  return {
    dial: () => managers.dial(worker),
    assignTask: async () => {
      const { id: secretId } = swarm.addSecret(Buffer.from('secret'));
      const container = { image: 'image', secrets: [{ secretId, secretName: 'name' }] };
      return swarm.addTask(worker.nodeId, { spec: { runtime: { case: 'container', value: container } } }).id;
    },
    removeTask: async (taskId) => swarm.removeTask(taskId),
    taskState: async (taskId) => swarm.taskState(taskId),
    [Symbol.asyncDispose]: () => managers[Symbol.asyncDispose](),
  };
});
