// Loaded before a sidecar: its wall clock is ahead by CLOCK_AHEAD_MS of the environment.

import process from "node:process";

const right = Date.now;
const aheadMs = Number(process.env.CLOCK_AHEAD_MS);
Date.now = () => right() + aheadMs;
