// What netd's own engine calls say to netd's driver, by way of the engine.

/** Name of the driver: of its socket, and of the networks' driver in `docker network ls`. */
export const NETD_DRIVER = 'netd';
/** Of a network: the id of the swarm network it stands for. Operators give none: then the name says it. */
export const NETWORK_OPTION = 'netd.network';
/** Of an endpoint: the task whose attachment it is. A container an operator starts has none. */
export const TASK_OPTION = 'netd.task';
