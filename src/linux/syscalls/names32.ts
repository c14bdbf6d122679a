// Listing directories for 32-bit programs.

import { address, file, uint } from "../kinds.ts";
import { syscall } from "../table.ts";
import { narrowListing } from "./names.ts";

export const getdents = syscall({ i386: 141 }, [file, address, uint], narrowListing);
