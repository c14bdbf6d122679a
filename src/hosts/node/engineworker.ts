// The program of the model engine's threads in Node.

import { workerData } from "node:worker_threads";
import { engineWorker } from "../../engine/compile/worker.ts";

engineWorker(workerData);
