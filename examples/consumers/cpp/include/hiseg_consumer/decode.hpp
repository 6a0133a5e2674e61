// Copyright 2026 The hiseg_ros developers
// SPDX-License-Identifier: Apache-2.0
//
// Decodes ProbabilityMap and SubclassMask; copy it into your package. It needs only the messages.

#ifndef HISEG_CONSUMER__DECODE_HPP_
#define HISEG_CONSUMER__DECODE_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "hiseg_ros/msg/probability_map.hpp"
#include "hiseg_ros/msg/subclass_mask.hpp"

namespace hiseg_consumer
{

/// Returns an IEEE 754 binary16 as float.
inline float half_to_float(std::uint16_t bits)
{
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  float value;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else if (exponent == 31) {
    value = fraction == 0 ? INFINITY : NAN;
  } else {
    value = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

/// Probabilities of one message, which has to outlive this object.
class Probabilities
{
public:
  using Message = hiseg_ros::msg::ProbabilityMap;

  /// Throws std::invalid_argument if the size of the data does not fit the message.
  explicit Probabilities(const Message & message)
  : message_(message), bytes_(message.encoding == Message::FLOAT16 ? 2 : 1)
  {
    if (message.encoding != Message::UINT8 && message.encoding != Message::FLOAT16) {
      throw std::invalid_argument("unknown encoding " + message.encoding);
    }
    // Divided, since the product of the sides of a malformed message may overflow.
    const std::size_t cells = message.data.size() / bytes_;
    const std::size_t channels = message.node_ids.size();
    if (
      channels == 0 || message.height == 0 || message.width == 0 ||
      message.data.size() % bytes_ != 0 || cells % channels != 0 ||
      cells / channels % message.height != 0 ||
      cells / channels / message.height != message.width)
    {
      throw std::invalid_argument("the data does not have the size that the message says");
    }
  }

  /// Probability of node_ids[channel] at a cell, in [0, 1].
  float at(std::size_t channel, std::size_t row, std::size_t column) const
  {
    const std::size_t index = (channel * message_.height + row) * message_.width + column;
    if (bytes_ == 1) {
      return static_cast<float>(message_.data[index]) / 255.0F;
    }
    const std::uint8_t * pair = &message_.data[2 * index];
    return half_to_float(static_cast<std::uint16_t>(pair[0] | (pair[1] << 8)));
  }

  /// Image row of the centre of a cell; 0 is the centre of the first row of pixels.
  double image_row(std::size_t row) const
  {
    return (static_cast<double>(row) + 0.5) * message_.stride_y - 0.5;
  }

  /// Image column of the centre of a cell.
  double image_column(std::size_t column) const
  {
    return (static_cast<double>(column) + 0.5) * message_.stride_x - 0.5;
  }

private:
  const Message & message_;
  std::size_t bytes_;
};

/// Returns roi.height rows of roi.width pixels, 1 inside the region, row by row.
/// Throws std::invalid_argument if the size of the data does not fit the message.
inline std::vector<std::uint8_t> decode_mask(const hiseg_ros::msg::SubclassMask & message)
{
  using Message = hiseg_ros::msg::SubclassMask;
  const std::uint64_t pixels =
    static_cast<std::uint64_t>(message.roi.height) * message.roi.width;
  const bool packed = message.encoding == Message::PACKBITS;
  if (!packed && message.encoding != Message::RAW) {
    throw std::invalid_argument("unknown encoding " + message.encoding);
  }
  if (message.data.size() != (packed ? pixels / 8 + (pixels % 8 != 0) : pixels)) {
    throw std::invalid_argument("the data does not have the size that the message says");
  }
  std::vector<std::uint8_t> mask(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    mask[i] = packed ? (message.data[i / 8] >> (7 - i % 8)) & 1 : message.data[i] != 0;
  }
  return mask;
}

}  // namespace hiseg_consumer

#endif  // HISEG_CONSUMER__DECODE_HPP_
