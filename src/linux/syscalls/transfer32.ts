// sendfile(2) and vmsplice(2) of 32-bit programs.

import { address, file, size, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { narrowSendfile, narrowVmsplice } from "./transfer.ts";

export const sendfile = syscall({ i386: 187 }, [file, file, address, size], narrowSendfile);
export const vmsplice = syscall({ i386: 316 }, [file, address, size, uint], narrowVmsplice);
