// SPDX-License-Identifier: GPL-2.0
/* What is named: functions of C++, one of them inlined into another, one without a neighbour. */
extern "C" int getpid(void);

namespace shelf {
struct book {
	int pages;
	__attribute__((noinline)) int weigh(int times);
};

static inline __attribute__((always_inline)) int scale(int value)
{
	return value * getpid();
}

int book::weigh(int times)
{
	return scale(pages) + times;
}
} // namespace shelf

int main(int count, char **)
{
	shelf::book book = { count };

	return book.weigh(count) == 0;
}
