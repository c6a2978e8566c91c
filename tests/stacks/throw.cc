// SPDX-License-Identifier: GPL-2.0
/* Where is a program of C++ when it is stopped?  In the midst of exceptions, mostly. */
extern "C" int puts(const char *);
extern "C" int fflush(void *);

namespace shelf {
static volatile unsigned int falls;

struct book {
	unsigned int pages;
	__attribute__((noinline)) ~book()
	{
		falls = falls + pages;
	}
};

struct lamp {
	unsigned int broken;
	virtual unsigned int shine(unsigned int depth)
	{
		book on_the_table = { depth };

		if (!depth)
			throw broken;
		return shine(depth - 1) + on_the_table.pages;
	}
	virtual ~lamp() = default;
};

struct candle : lamp {
	unsigned int shine(unsigned int depth) override
	{
		try {
			return lamp::shine(depth);
		} catch (unsigned int number) {
			if (number % 3)
				throw;
			return number;
		}
	}
};
} // namespace shelf

int main()
{
	puts("ready");
	fflush(nullptr);
	for (unsigned int i = 0;; i++) {
		shelf::candle candle;

		candle.broken = i;
		try {
			shelf::falls = shelf::falls + candle.shine(i % 19);
		} catch (unsigned int number) {
			shelf::falls = shelf::falls + number;
		}
	}
}
