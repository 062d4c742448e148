// Loaded before a sidecar (node --import): tells the checker when this process stood still. One that nobody stopped and
// that did nothing for a while got no time from the machine; what is promised while Redis is away is promised of
// processes that run.

import process from "node:process";
import { watchStalls } from "./stall-meter.ts";

watchStalls((ms) => process.send?.({ stalledMs: ms }));
process.channel?.unref();
