/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir.h - what guest code is taken apart into, and host code put together from.
 *
 * A block is a straight line of guest code with one entry and many ways out. Operands are slots:
 * registers of the guest, numbered by the guest (struct jit_guest), 64 bits each; there are no
 * values besides, so the state of the guest is whole in its slots between any two operations. What
 * a slot holds is integer or floating point by its number; IR_ZERO reads as 0 and takes no write.
 *
 * An operation that may fault or leave reads its operands before it writes any slot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IR_ZERO		0xff
#define IR_FIRST_VECTOR 64
#define IR_BLOCK_MAX	768 /* operations */
#define IR_HELPERS_MAX	256 /* in a block */
#define IR_HELPER_BYTES 20
#define IR_SEGMENTS_MAX 8 /* pieces of guest code that a block was made from */
#define IR_OWED_MAX	64

/* X(ENUMERATOR, "name"): d, a, b, c are slots, `imm` a number; b is imm where IR_IMMEDIATE is set.
 */
#define IR_OPERATIONS(X)                                                                           \
	/* d = imm; d = a */                                                                       \
	X(CONSTANT, "constant")                                                                    \
	X(MOVE, "move")                                                                            \
	/* d = a op b; with IR_WORD in 32 bits, and sign extended */                               \
	X(ADD, "add")                                                                              \
	X(SUB, "sub")                                                                              \
	X(AND, "and")                                                                              \
	X(OR, "or")                                                                                \
	X(XOR, "xor")                                                                              \
	X(AND_NOT, "and_not")                                                                      \
	X(OR_NOT, "or_not")                                                                        \
	X(XOR_NOT, "xor_not")                                                                      \
	X(SHIFT_LEFT, "shift_left") /* by b modulo the width */                                    \
	X(SHIFT_RIGHT, "shift_right")                                                              \
	X(SHIFT_ARITHMETIC, "shift_arithmetic")                                                    \
	X(ROTATE_RIGHT, "rotate_right")                                                            \
	X(ROTATE_LEFT, "rotate_left")                                                              \
	X(MULTIPLY, "multiply")                                                                    \
	X(MULTIPLY_HIGH, "multiply_high") /* the upper 64 bits of 128 */                           \
	X(MULTIPLY_HIGH_UNSIGNED, "multiply_high_unsigned")                                        \
	/* Division as RISC-V and Arm have it: by 0 gives all ones and the dividend, nothing traps \
	 */                                                                                        \
	X(DIVIDE, "divide")                                                                        \
	X(DIVIDE_UNSIGNED, "divide_unsigned")                                                      \
	X(REMAINDER, "remainder")                                                                  \
	X(REMAINDER_UNSIGNED, "remainder_unsigned")                                                \
	X(MINIMUM, "minimum")                                                                      \
	X(MAXIMUM, "maximum")                                                                      \
	X(MINIMUM_UNSIGNED, "minimum_unsigned")                                                    \
	X(MAXIMUM_UNSIGNED, "maximum_unsigned")                                                    \
	/* d = (a << imm) + b; with IR_UNSIGNED_WORD only the lower half of a counts */            \
	X(SHIFT_ADD, "shift_add")                                                                  \
	X(SET, "set") /* d = a `condition` b */                                                    \
	X(ZERO_IF, "zero_if") /* d = b `condition` 0 ? 0 : a; EQUAL or NOT_EQUAL */                \
	/* one bit: by b modulo 64 */                                                              \
	X(BIT_CLEAR, "bit_clear")                                                                  \
	X(BIT_SET, "bit_set")                                                                      \
	X(BIT_INVERT, "bit_invert")                                                                \
	X(BIT_EXTRACT, "bit_extract")                                                              \
	/* d = op a */                                                                             \
	X(EXTEND, "extend") /* the lower `size` bytes; IR_SIGNED or zeros */                       \
	X(COUNT_LEADING, "count_leading")                                                          \
	X(COUNT_TRAILING, "count_trailing")                                                        \
	X(COUNT_ONES, "count_ones")                                                                \
	X(REVERSE_BYTES, "reverse_bytes")                                                          \
	/* d = a rotated right by imm's first byte, by its second, and rotated (IR_SIGNED:         \
	 * shifted) by its third, all xored: the sums of SHA-2 */                                  \
	X(ROTATE_SUM, "rotate_sum")                                                                \
	/* a round of AES, without the key, on 128 bits, of which a is the lower half and b the    \
	 * upper: the lower half of the result. size: enum ir_aes. AES_INVERT: the inverse of      \
	 * MixColumns, on a */                                                                     \
	X(AES_ROUND, "aes_round")                                                                  \
	X(AES_INVERT, "aes_invert")                                                                \
	/* memory: `size` bytes at a + imm; d or b may be floating point */                        \
	X(LOAD, "load")                                                                            \
	X(STORE, "store")                                                                          \
	X(ZERO_BLOCK, "zero_block") /* the 64 bytes, aligned, that a is among */                   \
	X(FENCE, "fence") /* stores before it are seen before loads behind it are done */          \
	/* sequentially consistent, at a, size 4 (sign extended) or 8, aligned, else the helper */ \
	X(ATOMIC_SWAP, "atomic_swap")                                                              \
	X(ATOMIC_ADD, "atomic_add")                                                                \
	X(ATOMIC_AND, "atomic_and")                                                                \
	X(ATOMIC_OR, "atomic_or")                                                                  \
	X(ATOMIC_XOR, "atomic_xor")                                                                \
	X(LOAD_RESERVED, "load_reserved")                                                          \
	X(STORE_CONDITIONAL, "store_conditional")                                                  \
	/* floating point, size 4 or 8 (narrower ones are NaN-boxed); rounding as the guest has    \
	 * set it; where the host cannot tell the exact result or flags, the helper does it */     \
	X(FLOAT_ADD, "float_add")                                                                  \
	X(FLOAT_SUBTRACT, "float_subtract")                                                        \
	X(FLOAT_MULTIPLY, "float_multiply")                                                        \
	X(FLOAT_DIVIDE, "float_divide")                                                            \
	X(FLOAT_SQUARE_ROOT, "float_square_root")                                                  \
	X(FLOAT_FUSED, "float_fused") /* a * b + c, IR_NEGATE_PRODUCT, IR_NEGATE_ADDEND */         \
	X(FLOAT_MINIMUM, "float_minimum")                                                          \
	X(FLOAT_MAXIMUM, "float_maximum")                                                          \
	X(FLOAT_SIGN, "float_sign") /* a with the sign of b, its inverse, or the xor of both */    \
	X(FLOAT_SET, "float_set") /* d = a `condition` b: EQUAL quiet, LESS, LESS_OR_EQUAL not */  \
	X(FLOAT_TO_INTEGER, "float_to_integer") /* to 4 (imm) or 8 bytes, to zero */               \
	X(FLOAT_FROM_INTEGER, "float_from_integer") /* from 4 (imm) or 8 bytes */                  \
	X(FLOAT_CONVERT, "float_convert") /* imm bytes to `size` */                                \
	X(FLOAT_TO_BITS, "float_to_bits") /* integer d = bits of a, size 4 sign extended */        \
	X(FLOAT_FROM_BITS, "float_from_bits")                                                      \
	/* the flags that floating point has raised since they were last written */                \
	X(FLOAT_READ_FLAGS, "float_read_flags")                                                    \
	X(FLOAT_WRITE_FLAGS, "float_write_flags") /* = a */                                        \
	/* What the guest's state has beside slots, 64 bits each, `imm` bytes from its start: d =  \
	 * that                                                                                    \
	 */                                                                                        \
	X(STATE_READ, "state_read")                                                                \
	/* d = that, and then that = a; IR_EVEN: its lowest bit stays 0 */                         \
	X(STATE_WRITE, "state_write")                                                              \
	/* the status of a machine's CPU, whose lower 32 bits are at the lower half of imm: d =    \
	 * the bits of imm's upper half, 1 << `kind`, and (IR_SIGNED) the highest bit */           \
	X(STATUS_READ, "status_read")                                                              \
	/* set or cleared: a, or with IR_IMMEDIATE all bits of imm's upper half; the helper does   \
	 * it if a has another bit, or if an interrupt may be waiting for a bit that is set */     \
	X(STATUS_SET, "status_set")                                                                \
	X(STATUS_CLEAR, "status_clear")                                                            \
	/* Vectors. Slots from IR_FIRST_VECTOR on have 16 bytes; an operand is as many of them as  \
	 * hold `count` elements of `size` bytes, from its slot on, the lowest first. With a slot  \
	 * in c only those elements count whose bit is set there, with IR_CHECK_LENGTH those below \
	 * the guest's vector length; all others of d stay as they are. b may be integer, floating \
	 * point or imm as well: the same for every element. The type of vectors is imm, their     \
	 * start 0, and with IR_CHECK_LENGTH their length `count`; if not, the interpreter does    \
	 * the instruction at pc, and other code what comes behind it */                           \
	X(VECTOR_EXPECT, "vector_expect")                                                          \
	/* the type becomes imm, the start 0, the length the lesser of a and count (IR_IMMEDIATE:  \
	 * count, IR_KEEPS_LENGTH: the length there was, or less), and d that */                   \
	X(VECTOR_CONFIGURE, "vector_configure")                                                    \
	X(VECTOR_READ_LENGTH, "vector_read_length") /* integer d */                                \
	/* at a; of IR_ONLY_FIRST only the first element may fault */                              \
	X(VECTOR_LOAD, "vector_load")                                                              \
	X(VECTOR_STORE, "vector_store") /* d */                                                    \
	/* `kind` fields of `size` bytes side by side, the first at a, the next b (or, with        \
	 * IR_IMMEDIATE, all fields) further; the elements of one field are an operand, those of   \
	 * the next imm slots behind */                                                            \
	X(VECTOR_LOAD_FIELDS, "vector_load_fields")                                                \
	X(VECTOR_STORE_FIELDS, "vector_store_fields")                                              \
	/* each element at a + b, whose elements have `kind` bytes and no sign */                  \
	X(VECTOR_LOAD_INDEXED, "vector_load_indexed")                                              \
	X(VECTOR_STORE_INDEXED, "vector_store_indexed")                                            \
	/* d = a op b, one element after the other. Of IR_NARROW_A and IR_NARROW_B the elements    \
	 * have half the size, and are extended: with zeros, or IR_SIGNED, IR_SIGNED_B */          \
	X(VECTOR_MOVE, "vector_move") /* d = b */                                                  \
	X(VECTOR_SELECT, "vector_select") /* d = b where c has a bit, else a */                    \
	X(VECTOR_NUMBERS, "vector_numbers") /* 0, 1, 2, ... */                                     \
	X(VECTOR_ADD, "vector_add")                                                                \
	X(VECTOR_SUB, "vector_sub")                                                                \
	X(VECTOR_SUB_REVERSE, "vector_sub_reverse") /* b - a */                                    \
	X(VECTOR_AND, "vector_and")                                                                \
	X(VECTOR_OR, "vector_or")                                                                  \
	X(VECTOR_XOR, "vector_xor")                                                                \
	X(VECTOR_AND_NOT, "vector_and_not")                                                        \
	X(VECTOR_MINIMUM, "vector_minimum")                                                        \
	X(VECTOR_MAXIMUM, "vector_maximum")                                                        \
	X(VECTOR_MINIMUM_UNSIGNED, "vector_minimum_unsigned")                                      \
	X(VECTOR_MAXIMUM_UNSIGNED, "vector_maximum_unsigned")                                      \
	X(VECTOR_MULTIPLY, "vector_multiply")                                                      \
	X(VECTOR_MULTIPLY_HIGH, "vector_multiply_high")                                            \
	X(VECTOR_MULTIPLY_HIGH_UNSIGNED, "vector_multiply_high_unsigned")                          \
	/* of polynomials over GF(2), 64 bits: the lower half, the upper */                        \
	X(VECTOR_MULTIPLY_CARRYLESS, "vector_multiply_carryless")                                  \
	X(VECTOR_MULTIPLY_CARRYLESS_HIGH, "vector_multiply_carryless_high")                        \
	X(VECTOR_ADD_PRODUCT, "vector_add_product") /* d + a * b */                                \
	X(VECTOR_SUB_PRODUCT, "vector_sub_product") /* d - a * b */                                \
	X(VECTOR_SCALE_ADD, "vector_scale_add") /* d * b + a */                                    \
	X(VECTOR_SCALE_SUB, "vector_scale_sub") /* a - d * b */                                    \
	X(VECTOR_SHIFT_LEFT, "vector_shift_left") /* by b modulo the width */                      \
	X(VECTOR_SHIFT_RIGHT, "vector_shift_right")                                                \
	X(VECTOR_SHIFT_ARITHMETIC, "vector_shift_arithmetic")                                      \
	X(VECTOR_ROTATE_LEFT, "vector_rotate_left")                                                \
	X(VECTOR_ROTATE_RIGHT, "vector_rotate_right")                                              \
	X(VECTOR_REVERSE_BYTES, "vector_reverse_bytes") /* of a */                                 \
	X(VECTOR_EXTEND, "vector_extend") /* a, whose elements have `kind` bytes; IR_SIGNED */     \
	X(VECTOR_NARROW, "vector_narrow") /* the lower half of a >> imm; a is twice as wide */     \
	X(VECTOR_GATHER, "vector_gather") /* a[b], of a whole group of imm elements, or 0;         \
					   * b's elements have `kind` bytes */                     \
	X(VECTOR_SLIDE_DOWN, "vector_slide_down") /* a[n + imm], of `kind` slots; or 0 */          \
	X(VECTOR_SLIDE_UP, "vector_slide_up") /* a[n - imm]; those before imm stay as they are */  \
	/* by one element, and b in the place that is left: of the first, or the last one that     \
	 * counts */                                                                               \
	X(VECTOR_PUSH, "vector_push")                                                              \
	X(VECTOR_SHIFT_IN, "vector_shift_in")                                                      \
	X(VECTOR_SIGN, "vector_sign") /* a with the sign of b; kind: enum ir_sign */               \
	/* Masks: an element is a bit of one slot, and `count` of them count. kind: enum ir_mask   \
	 */                                                                                        \
	X(VECTOR_SET, "vector_set") /* d = a `condition` b, of the elements there are */           \
	X(VECTOR_MASK, "vector_mask")                                                              \
	X(VECTOR_MARK, "vector_mark") /* those before, at, or up to and at the first one of a */   \
	X(VECTOR_COUNT, "vector_count") /* integer d = how many are set in a, and in c */          \
	X(VECTOR_FIND, "vector_find") /* integer d = the first that is; or -1 */                   \
	/* single elements, the first: of d = b; integer or floating-point d = of a, IR_SIGNED */  \
	X(VECTOR_INSERT, "vector_insert")                                                          \
	X(VECTOR_EXTRACT, "vector_extract")                                                        \
	X(VECTOR_REDUCE,                                                                           \
		"vector_reduce") /* d[0] = b[0] op a[0] op a[1] ...; kind: the operation */        \
	/* four words of 32 bits are one: d = a round of AES on d, kind: enum ir_aes, with the key \
	 * a; IR_ONE_KEY: one for all */                                                           \
	X(VECTOR_AES, "vector_aes")                                                                \
	/* SHA-256, FIPS 180-4: two rounds, of h, g, d, c in d and f, e, b, a in a, with two words \
	 * of b (IR_SHA_UPPER: the upper two); or words 16 to 19 from 0 to 3 (d), 4 and 9 to 11    \
	 * (a), 12 to 15 (b) */                                                                    \
	X(VECTOR_SHA256, "vector_sha256")                                                          \
	/* GHASH, SP 800-38D: d = (d ^ b) * a; kind 0: d * a */                                    \
	X(VECTOR_GHASH, "vector_ghash")                                                            \
	/* floating point, in elements of 4 or 8 bytes, all of whole slots; what FLOAT_ADD and its \
	 * kin say holds here. Of IR_NARROW_A and IR_NARROW_B there are singles and the result is  \
	 * double */                                                                               \
	X(VECTOR_FLOAT_ADD, "vector_float_add")                                                    \
	X(VECTOR_FLOAT_SUBTRACT, "vector_float_subtract")                                          \
	X(VECTOR_FLOAT_SUBTRACT_REVERSE, "vector_float_subtract_reverse") /* b - a */              \
	X(VECTOR_FLOAT_MULTIPLY, "vector_float_multiply")                                          \
	X(VECTOR_FLOAT_DIVIDE, "vector_float_divide")                                              \
	X(VECTOR_FLOAT_DIVIDE_REVERSE, "vector_float_divide_reverse") /* b / a */                  \
	X(VECTOR_FLOAT_SQUARE_ROOT, "vector_float_square_root") /* of a */                         \
	X(VECTOR_FLOAT_MINIMUM, "vector_float_minimum")                                            \
	X(VECTOR_FLOAT_MAXIMUM, "vector_float_maximum")                                            \
	/* kind: enum ir_fused */                                                                  \
	X(VECTOR_FLOAT_FUSE, "vector_float_fuse") /* a * b + d */                                  \
	X(VECTOR_FLOAT_SCALE, "vector_float_scale") /* d * b + a */                                \
	X(VECTOR_FLOAT_CONVERT, "vector_float_convert") /* of a; kind: enum ir_conversion */       \
	X(VECTOR_FLOAT_SET, "vector_float_set") /* bits of d, as VECTOR_SET */                     \
	X(VECTOR_FLOAT_SUM, "vector_float_sum") /* d[0] = b[0] + a[0] + a[1] ..., in this order */ \
	/* jumps of the same block come here: nothing is known of what slots hold */               \
	X(LABEL, "label")                                                                          \
	/* ways out; pc is where the guest goes on */                                              \
	/* to imm if a `condition` b or (IR_AGAINST_ZERO) 0, else go on; d = the flags, on the way \
	 * out */                                                                                  \
	X(BRANCH, "branch")                                                                        \
	X(JUMP, "jump") /* to imm */                                                               \
	X(CALL, "call") /* to imm; it will come back behind it; d = the way back */                \
	X(JUMP_REGISTER, "jump_register") /* to a + imm, lowest bit cleared; d = pc behind it */   \
	X(CALL_REGISTER, "call_register")                                                          \
	X(RETURN, "return") /* likewise, to where a call has come from */                          \
	X(STOP, "stop") /* out of translated code: enum jit_stop in `size` */                      \
	X(HELPER, "helper") /* the guest's helper does the instruction of helpers[imm] */

enum ir_op {
#define IR_ENUMERATOR(name, text) IR_##name,
	IR_OPERATIONS(IR_ENUMERATOR)
#undef IR_ENUMERATOR
		IR_OP_COUNT,
};

enum ir_condition {
	IR_EQUAL,
	IR_NOT_EQUAL,
	IR_LESS,
	IR_GREATER_OR_EQUAL,
	IR_LESS_UNSIGNED,
	IR_GREATER_OR_EQUAL_UNSIGNED,
	IR_LESS_OR_EQUAL, /* floating point and vectors only */
	/* of vectors only */
	IR_GREATER,
	IR_LESS_OR_EQUAL_UNSIGNED,
	IR_GREATER_UNSIGNED,
};

enum ir_flags {
	IR_IMMEDIATE = 1 << 0, /* imm in place of b */
	IR_WORD = 1 << 1, /* 32 bits, the result sign extended */
	IR_SIGNED = 1 << 2,
	IR_UNSIGNED_WORD = 1 << 3,
	IR_NEGATE_PRODUCT = 1 << 4,
	IR_NEGATE_ADDEND = 1 << 5,
	IR_NEGATE_SIGN = 1 << 6, /* FLOAT_SIGN: the inverse of b's */
	IR_XOR_SIGN = 1 << 7, /* FLOAT_SIGN: a's and b's */
	/* FLOAT_SET: the flags are written back behind it to what they were; imm is that helper,
	 * which wants them in c, where they still have to be read to if it is a slot. */
	IR_KEEPS_FLAGS = 1 << 4,
	IR_EVEN = 1 << 3, /* STATE_WRITE */
	/* CONSTANT: an address in guest code or from there on; it moves with the code. */
	IR_RELATIVE = 1 << 3,
	/* Of vectors: see there. */
	IR_CHECK_LENGTH = 1 << 3,
	IR_KEEPS_LENGTH = 1 << 1,
	IR_ONLY_FIRST = 1 << 1,
	IR_ONE_KEY = 1 << 1,
	IR_NARROW_A = 1 << 4,
	IR_NARROW_B = 1 << 5,
	IR_SIGNED_B = 1 << 6,
	/* With IR_WORD: nobody looks at the upper half of the result, it need not be extended. */
	IR_LOW_ONLY = 1 << 2,
};

enum ir_mask {
	IR_MASK_AND_NOT,
	IR_MASK_AND,
	IR_MASK_OR,
	IR_MASK_XOR,
	IR_MASK_OR_NOT,
	IR_MASK_NOT_AND,
	IR_MASK_NOT_OR,
	IR_MASK_NOT_XOR,
	/* of MARK */
	IR_MASK_BEFORE,
	IR_MASK_AT,
	IR_MASK_UP_TO,
};

enum ir_aes {
	IR_AES_ENCRYPT_LAST, /* without MixColumns */
	IR_AES_ENCRYPT,
	IR_AES_DECRYPT_LAST,
	IR_AES_DECRYPT,
	/* of vectors only */
	IR_AES_KEY, /* nothing but that */
	IR_AES_DECRYPT_KEYED, /* the key before InvMixColumns */
};

enum ir_sign {
	IR_SIGN_OF,
	IR_SIGN_NOT_OF,
	IR_SIGN_XOR,
};

enum ir_fused {
	IR_FUSED_NEGATE_ADDEND = 1,
	IR_FUSED_NEGATE_PRODUCT = 2,
};

/* From, to, and how: rounded, or to zero. */
enum ir_conversion {
	IR_SINGLE_TO_WORD,
	IR_SINGLE_TO_WORD_TO_ZERO,
	IR_WORD_TO_SINGLE,
	IR_SINGLE_TO_DOUBLE,
	IR_WORD_TO_DOUBLE,
	IR_DOUBLE_TO_SINGLE,
	IR_DOUBLE_TO_WORD,
	IR_DOUBLE_TO_WORD_TO_ZERO,
};

enum ir_sha {
	IR_SHA_LOWER,
	IR_SHA_UPPER,
	IR_SHA_SCHEDULE,
};

struct ir {
	uint8_t op, flags, size, condition;
	uint8_t d, a, b, c;
	int16_t helper; /* index into helpers, for what only it can do exactly; -1: none */
	uint8_t length; /* bytes of the guest's instruction */
	/* The optimizer's: this has taken in the operation before it; how often a was written. */
	bool merges_previous;
	uint32_t version;
	uint8_t count, kind; /* of vectors: elements; see the operation */
	/* Instructions of the block that are done behind this one, of which a way out of the block
	 * that is taken, or a label that is passed, comes by; 0: none. */
	uint16_t done;
	uint64_t pc; /* of the guest's instruction */
	int64_t imm;
};

struct ir_segment {
	uint64_t start, end; /* guest code */
};

/* What the slow path of the access at `at` does before anything else (owed.c). */
struct ir_owed {
	uint16_t at; /* in `ops` */
	struct ir op;
};

struct ir_block {
	uint64_t pc;
	unsigned nr, nr_helpers, nr_segments, nr_guest; /* operations, ..., guest instructions */
	bool moves; /* the code will do at other addresses: what is IR_RELATIVE is no constant */
	bool wants_state; /* it had been better with a state to look at (jit_lift_options) */
	bool has_slow_paths; /* loads and stores that may fault have code of their own for it */
	struct ir ops[IR_BLOCK_MAX];
	unsigned nr_owed;
	struct ir_owed owed[IR_OWED_MAX]; /* those of one access in the order of the guest's code */
	/* What the guest's helper is told to do, in the guest's own form. */
	_Alignas(8) uint8_t helpers[IR_HELPERS_MAX][IR_HELPER_BYTES];
	uint32_t words[IR_HELPERS_MAX]; /* the same, as short as the guest has it */
	struct ir_segment segments[IR_SEGMENTS_MAX];
};

/* "add" */
const char *ir_name(enum ir_op op);
/* One operation a line, to `fd`; slots by the guest's names. */
void ir_print(const struct ir_block *block, const char *const *slot_names, int fd);

/* Constants folded and moved to where they are used, writes removed that nobody sees. */
void ir_optimize(struct ir_block *block);
/* Then: writes that only a fault could see go to where it may come from. */
void ir_owe(struct ir_block *block);
