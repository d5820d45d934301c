// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/nested_choice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace moecal::calibration {
namespace {

constexpr double kSpikeCap = 0.5;              // one spike must not choose a form
constexpr double kWorthAForm = 0.98;           // a richer form must be at least this much better
constexpr std::size_t kChoosingPoints = 2500;  // more do not choose another form

double score(const std::vector<HeldOut>& held_out) {
  if (held_out.empty()) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (const auto& point : held_out) sum += std::min(std::abs(point.log_ratio), kSpikeCap);
  return sum / static_cast<double>(held_out.size());
}

void append(std::vector<HeldOut>& all, const std::vector<HeldOut>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

/// Points with the fold of each.
struct Folded {
  std::vector<FitPoint> points;
  std::vector<int> fold_of;

  [[nodiscard]] auto without(const std::set<int>& unseen, const FitFunction& form) const {
    return predict_without(points, fold_of, unseen, form);
  }
};

/// At most kChoosingPoints of them, spread evenly.
Folded some_of(const Folded& all) {
  const std::size_t count = std::min(kChoosingPoints, all.points.size());
  Folded some;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = i * all.points.size() / count;
    some.points.push_back(all.points[row]);
    some.fold_of.push_back(all.fold_of[row]);
  }
  return some;
}

/// One form's errors: of each fold in fits without it, and, where there is a choice, without it and
/// one more. The latter only choose a form, and need fewer points for it.
class FormErrors {
 public:
  FormErrors(const Folded& all, const std::set<int>& folds, const FitFunction& form,
             bool choosing) {
    const auto some = choosing ? some_of(all) : Folded{};
    for (auto a = folds.begin(); a != folds.end(); ++a) {
      without_[{*a, *a}] = all.without({*a}, form)[*a];
      for (auto b = std::next(a); choosing && b != folds.end(); ++b) {
        auto errors = some.without({*a, *b}, form);
        without_[{*a, *b}] = std::move(errors[*a]);
        without_[{*b, *a}] = std::move(errors[*b]);
      }
    }
  }

  [[nodiscard]] const std::vector<HeldOut>& of(int fold) const { return without_.at({fold, fold}); }

  [[nodiscard]] std::vector<HeldOut> of_all() const {
    std::vector<HeldOut> all;
    for (const auto& [folds, errors] : without_)
      if (folds.first == folds.second) append(all, errors);
    return all;
  }

  /// Of every other fold, in fits that saw neither it nor `unseen`.
  [[nodiscard]] std::vector<HeldOut> of_others(int unseen) const {
    std::vector<HeldOut> all;
    for (const auto& [folds, errors] : without_)
      if (folds.first != unseen && folds.second == unseen) append(all, errors);
    return all;
  }

 private:
  std::map<std::pair<int, int>, std::vector<HeldOut>> without_;  // {of fold, also without}
};

/// The richest form that is worth it by the errors that `errors_of` gives of each.
template <typename ErrorsOf>
std::size_t choose(const std::vector<FormErrors>& forms, const ErrorsOf& errors_of) {
  std::size_t chosen = 0;
  double best = score(errors_of(forms.front()));
  for (std::size_t i = 1; i < forms.size(); ++i) {
    const double richer = score(errors_of(forms[i]));
    if (richer >= kWorthAForm * best) continue;
    chosen = i;
    best = richer;
  }
  return chosen;
}

}  // namespace

NestedChoice choose_nested(std::span<const FitPoint> points, std::span<const int> fold_of,
                           std::span<const FitFunction> forms) {
  std::set<int> folds{fold_of.begin(), fold_of.end()};
  folds.erase(kAlwaysTrained);
  const Folded all{{points.begin(), points.end()}, {fold_of.begin(), fold_of.end()}};
  std::vector<FormErrors> errors;
  for (const auto& form : forms) errors.emplace_back(all, folds, form, forms.size() > 1);
  NestedChoice choice;
  choice.form = choose(errors, [](const FormErrors& form) { return form.of_all(); });
  for (const int fold : folds) {
    const auto without = [fold](const FormErrors& form) { return form.of_others(fold); };
    append(choice.held_out, errors[choose(errors, without)].of(fold));
  }
  return choice;
}

}  // namespace moecal::calibration
