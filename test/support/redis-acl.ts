// The rights that the README gives to Forebay's user of Redis: the least with which the contract suite passes.

/** Without the number of another database than 0, which needs +select. */
export const COMMANDS = [
  ...["info", "ping", "evalsha", "script|load", "subscribe", "unsubscribe", "publish", "time"],
  ...["get", "set", "del", "pttl", "pexpire", "bitfield", "bitfield_ro"],
  ...["hset", "hdel", "hmget", "hgetall"],
  ...["zadd", "zrem", "zcard", "zcount", "zrange", "zrangebyscore", "zremrangebyscore"],
];

/** The words of ACL SETUSER for `commands`, for a store with the prefix "forebay". */
export function aclOf(commands: readonly string[] = COMMANDS): string[] {
  const rules = ["reset", "on", ">secret", "~forebay:*", "&forebay:*", "-@all"];
  return ["ACL", "SETUSER", "forebay", ...rules, ...commands.map((command) => `+${command}`)];
}
