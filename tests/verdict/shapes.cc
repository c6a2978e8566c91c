// SPDX-License-Identifier: GPL-2.0
/* Why is memory where it is?  In C++, with its containers; the protocol is that of program.h. */
#include <cstdio>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

static void hold(long bytes)
{
	std::printf("%ld\n", bytes);
	std::fflush(stdout);
	while (std::getchar() != EOF)
		;
}

/* Rows go, an index that was made of the last of them stays. */
static void keep_an_index()
{
	auto rows = std::make_unique<std::list<std::string>>();

	for (int i = 0; i < 100003; i++)
		rows->emplace_back(500, 'x');
	auto index = std::make_unique<std::string>(200, 'y');
	rows.reset();
	hold(100003L * (512 + 64)); /* a string of 500, and a node of the list */
}

static void keep_a_map()
{
	std::unordered_map<int, std::unique_ptr<char[]>> map;

	map.reserve(50021);
	for (int i = 0; i < 50021; i++)
		map[i] = std::make_unique<char[]>(1000);
	hold(50021L * (1008 + 32 + 8));
}

static void reserve_a_vector()
{
	std::vector<long> numbers;

	numbers.reserve(40 << 20);
	numbers.assign(1 << 20, 7);
	hold(39L * 8 << 20);
}

int main(int count, char **words)
{
	const std::string name = count == 2 ? words[1] : "";

	if (std::getchar() != '\n')
		return 1;
	if (name == "keep-an-index")
		keep_an_index();
	else if (name == "keep-a-map")
		keep_a_map();
	else if (name == "reserve-a-vector")
		reserve_a_vector();
	else
		return 1;
	return 0;
}
