// The rights that the README gives to Forebay's user of Redis: the least with which the contract suite passes.

export const COMMANDS = [
  ...["info", "ping", "evalsha", "script|load", "subscribe", "unsubscribe", "publish", "time"],
  ...["get", "set", "del", "pttl", "pexpire", "bitfield", "bitfield_ro"],
  ...["hset", "hdel", "hmget", "hgetall"],
  ...["zadd", "zrem", "zcard", "zcount", "zrange", "zrangebyscore", "zremrangebyscore"],
];

/** Besides, for another database than 0. */
export const FOR_DATABASE = ["select"];
/** Besides, for `wait`. */
export const FOR_WAIT = ["wait"];
/** Besides, on every node of a Cluster. */
export const FOR_CLUSTER = ["cluster|info", "cluster|slots", "asking"];

/** The words of ACL SETUSER for `commands`, for a store with the prefix "forebay". */
export function aclOf(commands: readonly string[] = COMMANDS): string[] {
  return userWith(["~forebay:*", "&forebay:*", "-@all"], commands);
}

/** Of the user named under `sentinel`, at every sentinel. */
export function sentinelAcl(
  commands: readonly string[] = ["sentinel|get-master-addr-by-name", "sentinel|master"],
): string[] {
  return userWith(["-@all"], commands);
}

function userWith(rules: readonly string[], commands: readonly string[]): string[] {
  return ["ACL", "SETUSER", "forebay", "reset", "on", ">secret", ...rules, ...commands.map((each) => `+${each}`)];
}
