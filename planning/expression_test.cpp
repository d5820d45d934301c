// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "planning/evaluate.hpp"
#include "planning/loads.hpp"

namespace moecal::planning {
namespace {

const Names kNames{{{"bubble", {"p", "m"}, "(p-1)/(m+p-1)"},
                    {"pair", {"s", "where"}, "all_reduce(s, 2, where) + send_recv(2*s, where)"},
                    {"dozen", {}, "12"}},
                   {{"S", 256}, {"E", 8}}};

double no_costs(const CostCall& call) {
  ADD_FAILURE() << call.str();
  return 0;
}

double value(const std::string& formula) {
  return Expression{formula, kNames, "test.json: a.claim"}.evaluate(no_costs);
}

std::string error_of(const std::string& formula) {
  try {
    (void)Expression{formula, kNames, "test.json: a.claim"}.evaluate(
        [](const CostCall&) { return 1.0; });
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "no error";
}

TEST(Expression, Arithmetic) {
  EXPECT_DOUBLE_EQ(value("S*E/2^3"), 256);
  EXPECT_DOUBLE_EQ(value("max(S, 300) - min(2, 7, 5)"), 298);
  EXPECT_DOUBLE_EQ(value("floor(7/2) + remainder(8, 3)"), 5);
  EXPECT_DOUBLE_EQ(value("1e3*0.5"), 500);
}

TEST(Expression, DerivedFunctions) {
  EXPECT_DOUBLE_EQ(value("bubble(4, 8)"), 3.0 / 11);
  EXPECT_DOUBLE_EQ(value("bubble(2, 1) + bubble(4, 8)*0"), 0.5);
  EXPECT_DOUBLE_EQ(value("dozen()*2"), 24);
}

TEST(Expression, CostCallsCarryTheirArguments) {
  std::vector<std::string> calls;
  const Expression expression{"2*pair(S, ib) + gemm(1, 2, E, fp8)", kNames, "here"};
  const double total = expression.evaluate([&](const CostCall& call) {
    calls.push_back(call.str());
    return static_cast<double>(calls.size());
  });
  EXPECT_THAT(calls, testing::ElementsAre("all_reduce(256, 2, ib)", "send_recv(512, ib)",
                                          "gemm(1, 2, 8, fp8)"));
  EXPECT_DOUBLE_EQ(total, 2 * (1 + 2) + 3);
}

TEST(Expression, ErrorsNameFileClaimAndWhat) {
  EXPECT_THAT(error_of("S + wrong"), testing::AllOf(testing::HasSubstr("test.json: a.claim"),
                                                    testing::HasSubstr("wrong")));
  EXPECT_THAT(error_of("gemm(1, 2, bf16)"),
              testing::HasSubstr("gemm takes 4 arguments (m, n, k, dtype), not 3"));
  EXPECT_THAT(error_of("bubble(1)"), testing::HasSubstr("bubble takes 2 arguments (p, m), not 1"));
  EXPECT_THAT(error_of("all_reduce(1, 2, bf16)"),
              testing::HasSubstr("argument 3 of all_reduce is not a tier"));
  EXPECT_THAT(error_of("gemm(nvlink, 2, 3, bf16)"),
              testing::HasSubstr("argument 1 of gemm is not a number of m"));
  EXPECT_THAT(error_of("(S"), testing::HasSubstr("formula '(S'"));
}

TEST(Expression, RefusesAConstantNamedLikeATier) {
  EXPECT_THROW((Expression{"1", {{}, {{"ib", 1}}}, "here"}), InvalidInput);
}

struct FakeSource : CostSource {
  Cost cost(const CostCall& call) const override {
    if (call.function == "h2d") return {{}, "no model of h2d"};
    const double seconds = call.number("bytes");
    return {{{call.function, seconds, seconds, seconds, "m", "measured", {}}}, ""};
  }
};

TEST(Evaluate, RecordsCallsAndContributions) {
  const Expression expression{"1e3*(3*all_reduce(2, 4, nvlink) + d2h(4))", kNames, "here"};
  const auto result = evaluate(expression, FakeSource{});
  EXPECT_DOUBLE_EQ(result.value, 1e4);
  ASSERT_EQ(result.calls.size(), 2u);
  EXPECT_NEAR(result.calls[0].contribution, 6e3, 1e-4);
  EXPECT_NEAR(result.calls[1].contribution, 4e3, 1e-4);
}

TEST(Evaluate, NamesWhatIsMissingOnce) {
  const Expression expression{"max(d2h(1), h2d(1)) + h2d(1)", kNames, "here"};
  EXPECT_THAT(evaluate(expression, FakeSource{}).missing, testing::ElementsAre("no model of h2d"));
}

TEST(Loads, AgreeWithTheory) {
  EXPECT_NEAR(uniform_load_cv(131072, 64, 1), std::sqrt(63.0 / 131072), 1e-12);
  // Expected maximum of 8 standard normals: 1.4236.
  EXPECT_NEAR(normal_load_max_over_mean(8, 0.05), 1 + 0.05 * 1.4236, 1e-3);
  EXPECT_NEAR(normal_load_mean_over_max(8, 0.01), 1 / (1 + 0.01 * 1.4236), 1e-3);
  EXPECT_EQ(normal_load_overflow(16, 0.0, 1.2), 0);
  // Expected maximum of 64 standard normals: 2.3889; rows fall almost normally here.
  EXPECT_NEAR(uniform_load_max_over_mean(65536, 64), 1 + 2.3889 * std::sqrt(63.0 / 65536), 6e-3);
}

TEST(Loads, AreFunctionsOfTheirArguments) {
  EXPECT_EQ(normal_load_overflow(16, 0.15, 1.2), normal_load_overflow(16, 0.15, 1.2));
}

}  // namespace
}  // namespace moecal::planning
