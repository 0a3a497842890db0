/** One page of the documentation: its HTML, its anchors, and its text for the search. */

export interface Section {
  readonly anchor: string;
  readonly heading: string;
  /** Without formatting. */
  readonly text: string;
}

export interface DocPage {
  readonly path: string;
  readonly title: string;
  /** The content inside the frame of the site. */
  readonly html: string;
  readonly sections: readonly Section[];
  /** Its links within the site, with anchors. */
  readonly links: readonly string[];
  /** Files of the repository that it names, from the root, without a page. */
  readonly sources: readonly string[];
}
