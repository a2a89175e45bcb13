/*
 * A dashboard as JSON, in the types of @grafana/schema.
 *
 * Grafana's own type of a dashboard takes any options for any panel, so a misspelt one would never
 * be told of: here each panel has the options and fields of its kind.
 */

import type * as schema from '@grafana/schema';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** The same with the texts of enumerations, which is what JSON has. */
type Json<Type> = Type extends string
  ? `${Type}`
  : Type extends (infer Element)[]
    ? Json<Element>[]
    : Type extends object
      ? { [Key in keyof Type]: Json<Type[Key]> }
      : Type;

/** The fields of @grafana/prometheus, which is no package of types alone. */
interface Query {
  refId: string;
  datasource: Json<schema.DataSourceRef>;
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  editorMode?: 'code' | 'builder';
  interval?: string;
}

type Field<Custom> = Omit<Json<schema.FieldConfig>, 'custom'> & { custom?: Partial<Json<Custom>> };

interface Fields<Custom> {
  defaults: Field<Custom>;
  overrides: {
    matcher: Json<schema.MatcherConfig>;
    // The value of a property may be anything; its name is one of a field.
    properties: { id: string; value?: unknown }[];
  }[];
}

interface PanelOf<Type, Options, Custom>
  extends Omit<Json<schema.Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> {
  type: Type;
  title: string;
  options: Partial<Json<Options>>;
  fieldConfig: Fields<Custom>;
  targets: Query[];
}

type Panel =
  | PanelOf<'stat', stat.Options, Record<string, never>>
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | PanelOf<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | PanelOf<'table', table.Options, table.FieldConfig>
  | Omit<Json<schema.RowPanel>, 'panels'> & { panels: Panel[] };

/** Grafana moves the query below `target` where its version has that; older ones want it here. */
type Annotation = Json<schema.AnnotationQuery> & {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
};

export type Dashboard = Omit<Json<schema.Dashboard>, 'panels' | 'annotations'> & {
  panels: Panel[];
  annotations: { list: Annotation[] };
};
