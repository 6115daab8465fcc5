// SPDX-License-Identifier: Apache-2.0
// shapes.cc - compiled and run inside the image: virtual calls, containers, exceptions that pass
// through frames with destructors.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

static int destroyed;

struct Shape {
	virtual ~Shape()
	{
		destroyed++;
	}
	virtual double area() const = 0;
};

struct Circle : Shape {
	double r;
	explicit Circle(double r) : r(r)
	{
		if (r < 0)
			throw std::invalid_argument("negative radius");
	}
	double area() const override
	{
		return M_PI * r * r;
	}
};

struct Square : Shape {
	double a;
	explicit Square(double a) : a(a)
	{
	}
	double area() const override
	{
		return a * a;
	}
};

static double total(int n)
{
	std::vector<std::unique_ptr<Shape>> shapes;
	for (int i = 0; i < n; i++)
		shapes.push_back(std::make_unique<Square>(i));
	shapes.push_back(std::make_unique<Circle>(n % 5 == 4 ? -1 : n));
	double sum = 0;
	for (auto &shape : shapes)
		sum += shape->area();
	return sum;
}

int main()
{
	std::map<std::string, double> results;
	int caught = 0;
	for (int i = 0; i < 100; i++) {
		try {
			results["n" + std::to_string(i)] = total(i);
		} catch (const std::invalid_argument &e) {
			caught += e.what() == std::string("negative radius");
		}
	}
	std::cout << caught << ' ' << destroyed << ' ' << results.size() << ' ' << results["n42"] << '\n';
}
