// The least a C program can do: start-up cost.
int main(void) { return 0; }
