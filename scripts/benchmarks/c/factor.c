// Factors a number by continued fractions, every intermediate number a block of its own:
// `factor NUMBER` prints the two factors and the steps they took.
//
// The method is Shanks' square forms: the continued fraction of the number's root is expanded until
// a denominator is a square, then once more until it is symmetric. Each step is a handful of
// operations on numbers of two or three digits, so that malloc is most of the program's work.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number {
    int len; // Digits, the lowest first; the highest is never zero. Zero has none.
    uint32_t digits[];
};

typedef struct number *number;

static number make(int len) {
    number made = malloc(sizeof *made + len * sizeof made->digits[0]);
    made->len = len;
    return made;
}

static number trimmed(number value) {
    while (value->len > 0 && value->digits[value->len - 1] == 0)
        value->len--;
    return value;
}

static number of(uint32_t value) {
    number made = make(1);
    made->digits[0] = value;
    return trimmed(made);
}

static number copy(number value) {
    number made = make(value->len);
    memcpy(made->digits, value->digits, value->len * sizeof value->digits[0]);
    return made;
}

static int compare(number left, number right) {
    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    for (int index = left->len - 1; index >= 0; index--)
        if (left->digits[index] != right->digits[index])
            return left->digits[index] < right->digits[index] ? -1 : 1;
    return 0;
}

static number add(number left, number right) {
    int len = (left->len > right->len ? left->len : right->len) + 1;
    number sum = make(len);
    uint64_t carry = 0;
    for (int index = 0; index < len; index++) {
        carry += index < left->len ? left->digits[index] : 0;
        carry += index < right->len ? right->digits[index] : 0;
        sum->digits[index] = (uint32_t)carry;
        carry >>= 32;
    }
    return trimmed(sum);
}

// The left number must not be the smaller one.
static number subtract(number left, number right) {
    number rest = make(left->len);
    int64_t borrow = 0;
    for (int index = 0; index < left->len; index++) {
        borrow += left->digits[index];
        borrow -= index < right->len ? right->digits[index] : 0;
        rest->digits[index] = (uint32_t)borrow;
        borrow >>= 32;
    }
    return trimmed(rest);
}

static number multiply(number left, number right) {
    number product = make(left->len + right->len);
    memset(product->digits, 0, product->len * sizeof product->digits[0]);
    for (int low = 0; low < left->len; low++) {
        uint64_t carry = 0;
        for (int high = 0; high < right->len; high++) {
            carry += product->digits[low + high];
            carry += (uint64_t)left->digits[low] * right->digits[high];
            product->digits[low + high] = (uint32_t)carry;
            carry >>= 32;
        }
        product->digits[low + right->len] = (uint32_t)carry;
    }
    return trimmed(product);
}

// Bit by bit below the highest: quotients of a continued fraction are small, mostly 1 to 3.
static number divide(number value, number divisor, number *rest_or_null) {
    number rest = copy(value), quotient = make(value->len);
    memset(quotient->digits, 0, quotient->len * sizeof quotient->digits[0]);
    number scaled[32 * 8];
    int shifts = 0;
    scaled[0] = copy(divisor);
    while (compare(scaled[shifts], rest) <= 0 && shifts < 32 * 8 - 1) {
        scaled[shifts + 1] = add(scaled[shifts], scaled[shifts]);
        shifts++;
    }
    for (int shift = shifts; shift >= 0; shift--) {
        if (compare(scaled[shift], rest) <= 0) {
            number smaller = subtract(rest, scaled[shift]);
            free(rest);
            rest = smaller;
            quotient->digits[shift / 32] |= 1u << shift % 32;
        }
        free(scaled[shift]);
    }
    if (rest_or_null)
        *rest_or_null = rest;
    else
        free(rest);
    return trimmed(quotient);
}

// The largest number whose square is not above the value, by Newton's method from above.
static number root_of(number value) {
    number root = make(value->len / 2 + 1), two = of(2);
    memset(root->digits, 0, root->len * sizeof root->digits[0]);
    root->digits[root->len - 1] = UINT32_MAX;
    for (;;) {
        number quotient = divide(value, root, NULL), sum = add(root, quotient);
        number next = divide(sum, two, NULL);
        free(quotient);
        free(sum);
        if (compare(next, root) >= 0) {
            free(next);
            free(two);
            return root;
        }
        free(root);
        root = next;
    }
}

// The root of a square, or null.
static number exact_root(number value) {
    // 12 of 64 rests belong to squares; the others need no root.
    uint32_t low = value->len > 0 ? value->digits[0] % 64 : 0;
    if (!(UINT64_C(0x0202021202030213) >> low & 1))
        return NULL;
    number root = root_of(value), square = multiply(root, root);
    int is_square = compare(square, value) == 0;
    free(square);
    if (is_square)
        return root;
    free(root);
    return NULL;
}

// One form of the continued fraction: (last, middle, current) are what others call Q', P and Q.
struct form {
    number last, middle, current;
};

static void step(struct form *form, number root) {
    number sum = add(root, form->middle);
    number quotient = divide(sum, form->current, NULL);
    number product = multiply(quotient, form->current);
    number middle = subtract(product, form->middle);
    // The next denominator is last + quotient * (old middle - new middle), in signless steps.
    number old_part = multiply(quotient, form->middle), new_part = multiply(quotient, middle);
    number upper = add(form->last, old_part), next = subtract(upper, new_part);
    number dead[] = {sum, quotient, product, old_part, new_part, upper, form->last, form->middle};
    for (size_t index = 0; index < sizeof dead / sizeof *dead; index++)
        free(dead[index]);
    *form = (struct form){form->current, middle, next};
}

static void drop(struct form *form) {
    free(form->last);
    free(form->middle);
    free(form->current);
}

// Denominator (value - middle^2) / last.
static number denominator(number value, number middle, number last) {
    number square = multiply(middle, middle), rest = subtract(value, square);
    number quotient = divide(rest, last, NULL);
    free(square);
    free(rest);
    return quotient;
}

static number common_divisor(number left, number right) {
    left = copy(left), right = copy(right);
    while (right->len > 0) {
        number rest;
        free(divide(left, right, &rest));
        free(left);
        left = right;
        right = rest;
    }
    free(right);
    return left;
}

// Expands until an even denominator is a square; the steps are counted.
static number find_square(struct form *form, number root, long *steps) {
    for (;;) {
        step(form, root);
        if (++*steps % 2 == 0)
            continue;
        number found = exact_root(form->current);
        if (found)
            return found;
    }
}

// Expands the inverse form until two middles in turn are equal, and gives that middle.
static number find_symmetry(struct form *form, number root, long *steps) {
    for (;;) {
        number before = copy(form->middle);
        step(form, root);
        ++*steps;
        if (compare(before, form->middle) == 0)
            return before;
        free(before);
    }
}

static number parse(const char *text) {
    number value = of(0), ten = of(10);
    for (; *text; text++) {
        number digit = of((uint32_t)(*text - '0')), product = multiply(value, ten);
        free(value);
        value = add(product, digit);
        free(digit);
        free(product);
    }
    free(ten);
    return value;
}

static void print(number value) {
    for (int index = value->len - 1; index >= 0; index--)
        printf("%08x", value->digits[index]);
    putchar(' ');
}

int main(int count, char **arguments) {
    if (count != 2)
        return 2;
    long steps = 0;
    number value = parse(arguments[1]), root = root_of(value);
    struct form forward = {of(1), copy(root), NULL};
    forward.current = denominator(value, root, forward.last);
    number square_root = find_square(&forward, root, &steps);

    // The inverse form begins at the largest middle that fits the square's root.
    number gap = subtract(root, forward.middle), times = divide(gap, square_root, NULL);
    number product = multiply(times, square_root), middle = add(product, forward.middle);
    struct form inverse = {copy(square_root), middle, denominator(value, middle, square_root)};
    number symmetric = find_symmetry(&inverse, root, &steps);

    number factor = common_divisor(value, symmetric), other = divide(value, factor, NULL);
    print(factor);
    print(other);
    printf("%ld\n", steps);
    number dead[] = {value, root, square_root, gap, times, product, symmetric, factor, other};
    for (size_t index = 0; index < sizeof dead / sizeof *dead; index++)
        free(dead[index]);
    drop(&forward);
    drop(&inverse);
}
