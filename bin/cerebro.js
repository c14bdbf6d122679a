#!/usr/bin/env node
// The command. What it runs is bundled by `npm run build` (scripts/bundle.js).
import "../dist/bundle/cerebro.js";
