// A library whose function has a prologue, a loop and an epilogue to be interrupted in.

__attribute__((noipa)) static int add_up(const int *numbers, int count) {
    int sum = 0;
    for (int index = 0; index < count; index++) sum += numbers[index];
    return sum;
}

__attribute__((noipa)) int plugin_stepped(int number) {
    int numbers[8];
    for (int index = 0; index < 8; index++) numbers[index] = number * index;
    return add_up(numbers, 8) + add_up(numbers, 4);
}
