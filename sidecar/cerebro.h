/* The model device of Cerebro: ioctl requests on /dev/cerebro. Generated from src/abi/cerebro/device.ts; do not edit. */
#ifndef CEREBRO_H
#define CEREBRO_H

#include <stdint.h>
#include <sys/ioctl.h>

#define CEREBRO_DEVICE "/dev/cerebro"
#define CEREBRO_DIMENSIONS 8

enum cerebro_element {
    CEREBRO_F32 = 1,
    CEREBRO_F64 = 2,
    CEREBRO_F16 = 3,
    CEREBRO_BF16 = 4,
    CEREBRO_I1 = 5,
    CEREBRO_I8 = 6,
    CEREBRO_I16 = 7,
    CEREBRO_I32 = 8,
    CEREBRO_I64 = 9,
    CEREBRO_U8 = 10,
    CEREBRO_U16 = 11,
    CEREBRO_U32 = 12,
    CEREBRO_U64 = 13,
    CEREBRO_C64 = 14,
    CEREBRO_C128 = 15,
};

struct cerebro_command {
    uint64_t text;
    uint32_t length;
    uint32_t reserved;
};

struct cerebro_model_info {
    uint32_t inputs;
    uint32_t outputs;
    uint64_t parameters;
    uint32_t threads;
    uint32_t reserved;
    char name[64];
    char format[64];
};

struct cerebro_port_info {
    uint32_t index;
    uint32_t output;
    uint32_t element;
    uint32_t rank;
    uint64_t shape[8];
    float scale;
    int32_t zero_point;
    char name[64];
};

struct cerebro_tensor {
    uint64_t data;
    uint64_t size;
    uint32_t element;
    uint32_t rank;
    uint64_t shape[8];
    char name[64];
};

struct cerebro_execution {
    uint64_t inputs;
    uint64_t outputs;
    uint32_t input_count;
    uint32_t output_count;
    uint64_t nanoseconds;
};

struct cerebro_message {
    uint64_t text;
    uint32_t length;
    uint32_t reserved;
};

/* a command as text; waits for its end */
#define CEREBRO_COMMAND _IOW(0xce, 1, struct cerebro_command)

/* what is loaded */
#define CEREBRO_MODEL_INFO _IOR(0xce, 2, struct cerebro_model_info)

/* an input or output of the loaded model */
#define CEREBRO_PORT_INFO _IOWR(0xce, 3, struct cerebro_port_info)

/* runs the model on tensors in memory */
#define CEREBRO_EXECUTE _IOWR(0xce, 4, struct cerebro_execution)

/* the words of the last answer or error */
#define CEREBRO_MESSAGE _IOWR(0xce, 5, struct cerebro_message)

#endif
