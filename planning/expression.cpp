// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/expression.hpp"

#include <muParser.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.hpp"
#include "core/join.hpp"
#include "planning/loads.hpp"

namespace moecal::planning {
namespace {

// Dtypes and tiers are constants: a code that no size or count of a formula can equal by chance.
constexpr std::array kDtypes{"bf16", "fp16", "fp8", "int8"};
constexpr std::array kTiers{"nvlink", "link", "ib", "ib_node"};
constexpr double kDtypeCode = -7001.5, kTierCode = -8001.5;

template <std::size_t N>
std::string decode(const std::array<const char*, N>& names, double first, double code) {
  for (std::size_t i = 0; i < N; ++i)
    if (code == first - static_cast<double>(i)) return names[i];
  return "";
}

bool is_reserved(const std::string& name) {
  const auto is_name = [&](const char* reserved) { return name == reserved; };
  return std::any_of(kDtypes.begin(), kDtypes.end(), is_name) ||
         std::any_of(kTiers.begin(), kTiers.end(), is_name);
}

double remainder_of(double a, double b) { return std::fmod(a, b); }
double floor_of(double a) { return std::floor(a); }

}  // namespace

struct Expression::State {
  struct Function {  // user data of a muParser callback
    State* state = nullptr;
    std::string name;
    std::vector<std::string> parameters;
    std::string formula;               // of a derived function
    std::unique_ptr<mu::Parser> body;  // made when first called
    std::vector<double> arguments;     // bound to the body's variables
  };

  std::string where;
  Names names;
  std::vector<std::unique_ptr<Function>> functions;
  mu::Parser parser;
  const std::function<double(const CostCall&)>* seconds = nullptr;

  [[noreturn]] void fail(const std::string& problem) const {
    throw InvalidInput{where + ": " + problem};
  }
  void check_count(const Function& function, int count) const;
  CostCall call_of(const Function& function, const double* arguments) const;
  void define(mu::Parser& target);
  void add_function(mu::Parser& target, Function& function);
  double call_derived(Function& function, const double* arguments);

  static double on_cost(void* data, const double* arguments, int count);
  static double on_derived(void* data, const double* arguments, int count);
  static double on_derived_without(void* data) { return on_derived(data, nullptr, 0); }
};

void Expression::State::check_count(const Function& function, int count) const {
  const auto expected = static_cast<int>(function.parameters.size());
  if (count == expected) return;
  fail(function.name + " takes " + std::to_string(expected) + " arguments (" +
       join(function.parameters) + "), not " + std::to_string(count));
}

CostCall Expression::State::call_of(const Function& function, const double* arguments) const {
  CostCall call{function.name, {}, "", ""};
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const auto& parameter = function.parameters[i];
    if (parameter == "dtype")
      call.dtype = decode(kDtypes, kDtypeCode, arguments[i]);
    else if (parameter == "tier")
      call.tier = decode(kTiers, kTierCode, arguments[i]);
    else if (arguments[i] >= 0)
      call.numbers[parameter] = arguments[i];
    const bool filled =
        parameter == "dtype"
            ? !call.dtype.empty()
            : (parameter == "tier" ? !call.tier.empty() : call.numbers.count(parameter) > 0);
    if (!filled)
      fail("argument " + std::to_string(i + 1) + " of " + function.name + " is not a " +
           (parameter == "dtype" || parameter == "tier" ? parameter : "number of " + parameter));
  }
  return call;
}

double Expression::State::on_cost(void* data, const double* arguments, int count) {
  auto& function = *static_cast<Function*>(data);
  function.state->check_count(function, count);
  return (*function.state->seconds)(function.state->call_of(function, arguments));
}

double Expression::State::on_derived(void* data, const double* arguments, int count) {
  auto& function = *static_cast<Function*>(data);
  function.state->check_count(function, count);
  return function.state->call_derived(function, arguments);
}

double Expression::State::call_derived(Function& function, const double* arguments) {
  if (!function.body) {
    function.body = std::make_unique<mu::Parser>();
    define(*function.body);
    function.arguments.resize(function.parameters.size());
    for (std::size_t i = 0; i < function.parameters.size(); ++i)
      function.body->DefineVar(function.parameters[i], &function.arguments[i]);
    function.body->SetExpr(function.formula);
  }
  for (std::size_t i = 0; i < function.arguments.size(); ++i) function.arguments[i] = arguments[i];
  return function.body->Eval();
}

// Without "optimisation": muParser would otherwise call a function of constants while it parses.
void Expression::State::add_function(mu::Parser& target, Function& function) {
  if (function.formula.empty())
    target.DefineFunUserData(function.name, &State::on_cost, &function, false);
  else if (function.parameters.empty())
    target.DefineFunUserData(function.name, &State::on_derived_without, &function, false);
  else
    target.DefineFunUserData(function.name, &State::on_derived, &function, false);
}

void Expression::State::define(mu::Parser& target) {
  for (auto& function : functions) add_function(target, *function);
  for (std::size_t i = 0; i < kDtypes.size(); ++i)
    target.DefineConst(kDtypes[i], kDtypeCode - static_cast<double>(i));
  for (std::size_t i = 0; i < kTiers.size(); ++i)
    target.DefineConst(kTiers[i], kTierCode - static_cast<double>(i));
  target.DefineFun("floor", &floor_of);
  target.DefineFun("remainder", &remainder_of);
  target.DefineFun("uniform_load_cv", &uniform_load_cv);
  target.DefineFun("uniform_load_max_over_mean", &uniform_load_max_over_mean);
  target.DefineFun("normal_load_mean_over_max", &normal_load_mean_over_max);
  target.DefineFun("normal_load_max_over_mean", &normal_load_max_over_mean);
  target.DefineFun("normal_load_overflow", &normal_load_overflow);
}

Expression::Expression(const std::string& formula, const Names& names, std::string where)
    : state_{std::make_unique<State>()} {
  state_->where = std::move(where) + ": formula '" + formula + "'";
  state_->names = names;
  const auto add = [&](std::string name, std::vector<std::string> parameters, std::string body) {
    auto function = std::make_unique<State::Function>();
    function->state = state_.get();
    function->name = std::move(name);
    function->parameters = std::move(parameters);
    function->formula = std::move(body);
    state_->functions.push_back(std::move(function));
  };
  for (const auto& signature : cost_functions()) add(signature.name, signature.parameters, "");
  for (const auto& derived : names.functions)
    add(derived.name, derived.parameters, derived.formula);
  try {
    state_->define(state_->parser);
    for (const auto& [name, value] : names.constants) {
      if (is_reserved(name)) state_->fail("the name '" + name + "' is a dtype or tier");
      state_->parser.DefineConst(name, value);
    }
    state_->parser.SetExpr(formula);
  } catch (const mu::Parser::exception_type& error) {
    state_->fail(error.GetMsg());
  }
}

Expression::~Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;

void Expression::fail(const std::string& problem) const { state_->fail(problem); }

double Expression::evaluate(const std::function<double(const CostCall&)>& seconds) const {
  state_->seconds = &seconds;
  try {
    return state_->parser.Eval();
  } catch (const mu::Parser::exception_type& error) {
    state_->fail(error.GetMsg());
  }
}

}  // namespace moecal::planning
