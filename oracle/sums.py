"""The task: sums of two numbers of up to four digits, as plain text.

A prompt is `a+b=`, the answer is the sum's decimal digits, then the end-of-text token. Every character is one
token whose id is its byte (see checkpoint.py), so a batch is written straight as token ids.
"""

import random

import torch

MAX_DIGITS = 4
LIMIT = 10**MAX_DIGITS
# a (4 digits) + b (4 digits) = s (5 digits) <|endoftext|>
LENGTH = 2 * MAX_DIGITS + 2 + (MAX_DIGITS + 1) + 1
PLUS, EQUALS, ZERO = b"+="[0], b"+="[1], b"0"[0]
END_OF_TEXT = 256
IGNORE = -100


def smallest(digits):
    """Smallest number written with `digits` digits; 0 counts as a number of one digit."""
    return 0 if digits == 1 else 10 ** (digits - 1)


def prompt(a, b):
    return f"{a}+{b}="


def held_out_pairs(count, seed):
    """`count` distinct pairs for the test, operand lengths uniform in 1..4.

    A pair of lengths gives at most a tenth of its pairs (there are only 100 sums of two one-digit numbers,
    and a model cannot know a table it has seen a third of). No pair is the mirror image of another.
    """
    rng = random.Random(seed)
    pairs, taken, per_class = [], set(), {}
    while len(pairs) < count:
        lengths = rng.randint(1, MAX_DIGITS), rng.randint(1, MAX_DIGITS)
        a, b = (rng.randrange(smallest(n), 10**n) for n in lengths)
        room = (10 ** lengths[0] - smallest(lengths[0])) * (10 ** lengths[1] - smallest(lengths[1])) // 10
        if (a, b) in taken or per_class.get(lengths, 0) >= room:
            continue
        taken |= {(a, b), (b, a)}
        per_class[lengths] = per_class.get(lengths, 0) + 1
        pairs.append((a, b))
    return pairs


def held_out_table(pairs, device):
    """Boolean table [LIMIT * LIMIT] of the pairs training must not see: the test's, in both orders."""
    table = torch.zeros(LIMIT * LIMIT, dtype=torch.bool, device=device)
    a, b = torch.tensor(pairs, device=device).T
    table[a * LIMIT + b] = True
    table[b * LIMIT + a] = True
    return table


def sample_pairs(count, carries, generator):
    """Random operands a, b [count]: lengths uniform in 1..4, and a share `carries` of them rich in 9s.

    In those, most of b's digits complete a's digit above them to 9, so that one carry from the right runs
    through several places: the hard sums, and rare ones among uniform pairs.
    """
    device = generator.device
    powers = 10 ** torch.arange(MAX_DIGITS, device=device)  # units first

    def operand():
        lengths = torch.randint(1, MAX_DIGITS + 1, (count,), generator=generator, device=device)
        low = torch.where(lengths == 1, 0, powers[lengths - 1])
        unit = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        return low + (unit * (10**lengths - low)).long(), lengths

    (a, _), (b, b_lengths) = operand(), operand()
    a_digits, b_digits = (x[:, None] // powers % 10 for x in (a, b))  # [count, 4]
    nines = torch.rand(b_digits.shape, generator=generator, device=device) < 0.7
    nines &= torch.rand(count, 1, generator=generator, device=device) < carries
    nines &= torch.arange(MAX_DIGITS, device=device) < b_lengths[:, None]
    # A leading zero would shorten b: leave such a digit as it was drawn.
    leading = torch.arange(MAX_DIGITS, device=device) == b_lengths[:, None] - 1
    nines &= ~(leading & (a_digits == 9) & (b_lengths[:, None] > 1))
    b_digits = torch.where(nines, 9 - a_digits, b_digits)
    return a, (b_digits * powers).sum(1)


def encode(a, b):
    """Token ids [B, 16], padded on the right, and labels [B, 16]: IGNORE except on the answer and its end."""
    count, device = len(a), a.device

    def digits(x, width):
        powers = 10 ** torch.arange(width - 1, -1, -1, device=device)
        shown = (x[:, None] >= powers) | (powers == 1)  # no leading zeros, but "0" itself
        return x[:, None] // powers % 10 + ZERO, shown

    def constant(token):
        column = torch.full((count, 1), token, device=device)
        return column, column >= 0

    answer, end = digits(a + b, MAX_DIGITS + 1), constant(END_OF_TEXT)
    parts = [digits(a, MAX_DIGITS), constant(PLUS), digits(b, MAX_DIGITS), constant(EQUALS), answer, end]
    tokens, shown = (torch.cat(column, dim=1) for column in zip(*parts))  # [B, 16]
    is_answer = shown & (torch.arange(LENGTH, device=device) >= LENGTH - answer[0].shape[1] - 1)

    # Close the gaps: what is shown moves left, the rest falls into a spare last column.
    place = torch.where(shown, shown.cumsum(1) - 1, LENGTH)
    ids = torch.full((count, LENGTH + 1), END_OF_TEXT, device=device).scatter(1, place, tokens)
    labels = torch.full((count, LENGTH + 1), IGNORE, device=device)
    labels = labels.scatter(1, place, torch.where(is_answer, tokens, IGNORE))
    return ids[:, :LENGTH], labels[:, :LENGTH]
