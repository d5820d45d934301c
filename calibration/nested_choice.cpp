// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/nested_choice.hpp"

#include <limits>
#include <map>
#include <set>

namespace moecal::calibration {
namespace {

constexpr double kWorthAForm = 0.98;  // a richer form must be at least this much better

double score(const std::vector<HeldOut>& held_out) {
  return held_out.empty() ? std::numeric_limits<double>::infinity() : mean_capped_error(held_out);
}

void append(std::vector<HeldOut>& all, const std::vector<HeldOut>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

/// One form's errors: of each fold in fits without it, and without it and one more.
class FormErrors {
 public:
  FormErrors(std::span<const FitPoint> points, std::span<const int> fold_of,
             const std::set<int>& folds, const FitFunction& form) {
    for (auto a = folds.begin(); a != folds.end(); ++a) {
      without_[{*a, *a}] = predict_without(points, fold_of, {*a}, form)[*a];
      for (auto b = std::next(a); b != folds.end(); ++b) {
        auto errors = predict_without(points, fold_of, {*a, *b}, form);
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
  std::vector<FormErrors> errors;
  for (const auto& form : forms) errors.emplace_back(points, fold_of, folds, form);
  NestedChoice choice;
  choice.form = choose(errors, [](const FormErrors& form) { return form.of_all(); });
  for (const int fold : folds) {
    const auto without = [fold](const FormErrors& form) { return form.of_others(fold); };
    append(choice.held_out, errors[choose(errors, without)].of(fold));
  }
  return choice;
}

}  // namespace moecal::calibration
