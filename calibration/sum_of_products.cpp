// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/sum_of_products.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace moecal::calibration {
namespace {

/// Numbers that have no factor in common, small and large.
constexpr std::array<std::array<std::int64_t, SumOfProducts::kMostNumbers>, 3> kProbes{
    {{3, 5, 7, 11, 13, 17}, {1009, 29, 101, 8, 503, 9}, {64, 4099, 27, 2, 31, 77}}};

/// Whether number i is among those of a product.
bool has(std::size_t product, std::size_t i) { return (product >> i & 1) != 0; }

}  // namespace

std::optional<SumOfProducts> SumOfProducts::find(std::size_t numbers, const Function& function) {
  if (numbers > kMostNumbers) return std::nullopt;
  // With some numbers 1 and the others 0 the sum is of the factors of all products of those.
  std::vector<double> factors(std::size_t{1} << numbers);
  std::vector<std::int64_t> at(numbers);
  for (std::size_t product = 0; product < factors.size(); ++product) {
    for (std::size_t i = 0; i < numbers; ++i) at[i] = has(product, i) ? 1 : 0;
    factors[product] = function(at);
  }
  for (std::size_t i = 0; i < numbers; ++i)
    for (std::size_t product = 0; product < factors.size(); ++product)
      if (has(product, i)) factors[product] -= factors[product ^ (std::size_t{1} << i)];
  SumOfProducts sum;
  for (std::size_t product = 0; product < factors.size(); ++product) {
    if (factors[product] == 0) continue;
    Term term{factors[product], {}};
    for (std::size_t i = 0; i < numbers; ++i)
      if (has(product, i)) term.numbers.push_back(i);
    sum.terms_.push_back(std::move(term));
  }
  for (const auto& probe : kProbes) {
    std::vector<double> values;
    for (const auto number : probe) values.push_back(static_cast<double>(number));
    std::vector<std::span<const double>> columns;
    for (std::size_t i = 0; i < numbers; ++i) columns.emplace_back(&values[i], 1);
    double found = 0;
    sum.evaluate(columns, {&found, 1});
    if (found != function(std::span{probe}.first(numbers))) return std::nullopt;
  }
  return sum;
}

void SumOfProducts::evaluate(std::span<const std::span<const double>> columns,
                             std::span<double> out) const {
  constexpr std::size_t kBlock = 64;
  std::array<double, kBlock> product;
  std::fill(out.begin(), out.end(), 0);
  for (std::size_t from = 0; from < out.size(); from += kBlock) {
    const std::size_t count = std::min(kBlock, out.size() - from);
    for (const auto& term : terms_) {
      product.fill(term.factor);
      for (const auto number : term.numbers) {
        const double* const values = columns[number].data() + from;
        for (std::size_t i = 0; i < count; ++i) product[i] *= values[i];
      }
      for (std::size_t i = 0; i < count; ++i) out[from + i] += product[i];
    }
  }
}

}  // namespace moecal::calibration
